package request_test

import (
	"context"
	"strings"
	"testing"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/policy"
	"github.com/anchorhold/anchorhold/request"
)

// What is expected is part of the request, and never more than the site allows.
func TestExpectedResources(t *testing.T) {
	b := newBench(t)
	b.Most = anchorhold.Resources{CPUSeconds: 600, Memory: 4 << 30, WallSeconds: 900}
	plain := b.submit(submission("heart", "1"))
	if plain.Expect != nil {
		t.Errorf("nothing was expected, and the request has %+v", plain.Expect)
	}
	empty := submission("heart", "1")
	empty.Expect = &anchorhold.Resources{}
	if r := b.submit(empty); r.ID != plain.ID {
		t.Error("to expect nothing is another request")
	}
	modest := submission("heart", "1")
	modest.Expect = &anchorhold.Resources{CPUSeconds: 90, Memory: 1 << 30}
	r := b.submit(modest)
	if r.ID == plain.ID || r.Digest == plain.Digest || r.Expect == nil || *r.Expect != *modest.Expect {
		t.Errorf("%+v", r)
	}
	if shown := request.ForAuthor(r, b.Clock.Now()); shown.Expect == nil {
		t.Error("its author does not see it")
	}
	for want, e := range map[string]anchorhold.Resources{
		"ask for at most 10m0s":       {CPUSeconds: 601},
		"ask for at most 4 GiB":       {CPUSeconds: 600, Memory: 4<<30 + 1},
		"ask for at most 15m0s":       {WallSeconds: 901},
		"ask for at least 256 MiB":    {Memory: 1 << 20},
		"give whole numbers of secon": {CPUSeconds: -1},
	} {
		sub := submission("heart", "1")
		sub.Expect = &e
		_, err := b.Submit(context.Background(), b.permit(author, policy.RequestSubmit, anchorhold.Request{}), sub)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v", e, err)
		}
		_, err = b.Try(context.Background(), b.permit(author, policy.RunTry, anchorhold.Request{}), request.Attempt{Code: sub.Code, Assets: sub.Assets, Expect: sub.Expect})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v, tried: %v", e, err)
		}
	}
}

// Other words about the same output are other code: no grant covers them.
func TestSensitivityIsPartOfTheCode(t *testing.T) {
	b := newBench(t)
	r := b.submit(submission("heart", "1"))
	b.mustDecide(owner, r, request.Word{Verdict: anchorhold.Approve, Terms: anchorhold.Terms{Uses: 9}})
	other := submission("heart", "1")
	other.Code.Outputs[0].Sensitivity = anchorhold.Individual
	if again := b.submit(other); again.CodeDigest == r.CodeDigest || again.State != anchorhold.StatePending {
		t.Errorf("%s: %s", again.State, again.CodeDigest)
	}
}
