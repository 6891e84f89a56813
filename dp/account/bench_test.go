package account

import "testing"

// What a reservation for a training costs to compute.
func BenchmarkPLDOfTenThousandSteps(b *testing.B) {
	for b.Loop() {
		if e, near := pld(b, event(Gaussian, 2, .01, 10_000)).Epsilon(1e-6); !near || e > 2.4478 {
			b.Fatal(e)
		}
	}
}

func BenchmarkRDPOfTenThousandSteps(b *testing.B) {
	for b.Loop() {
		event(Gaussian, 2, .01, 10_000).RDP().Epsilon(1e-6)
	}
}

// What an owner's limit costs to convert, once.
func BenchmarkNewLimit(b *testing.B) {
	for b.Loop() {
		if _, err := NewLimit(3_000_000_000_000, 1_000_000_000_000); err != nil {
			b.Fatal(err)
		}
	}
}
