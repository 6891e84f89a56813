package dp_test

import (
	"context"
	"fmt"
	"math/big"
	"testing"

	"github.com/anchorhold/anchorhold/dp"
)

// How a table is answered: the price and the ± are known before any data, and
// the release gives numbers with intervals at any level.
func Example() {
	pool := dp.NewPool()
	defer pool.Close()

	price, err := dp.Epsilon(big.NewRat(1, 2)) // for the question as a whole
	if err != nil {
		panic(err)
	}
	shares, err := price.Split(1, 2)
	if err != nil {
		panic(err)
	}
	// A patient is in at most 2 groups, with at most 3 rows in each; ages lie
	// between 0 and 120 by whole years.
	bounds := dp.Contribution{Groups: 2, Rows: 3}
	years, err := dp.NewLattice(big.NewRat(1, 1), new(big.Rat), big.NewRat(120, 1))
	if err != nil {
		panic(err)
	}
	count, err := dp.NewCount(shares[0], bounds)
	if err != nil {
		panic(err)
	}
	age, err := dp.NewMoments(shares[1], bounds, false, years)
	if err != nil {
		panic(err)
	}
	count.Prepare(pool, 2)
	age.Prepare(pool, 2)
	width, err := count.PlusMinus(0.95)
	if err != nil {
		panic(err)
	}
	spent := new(big.Rat)
	for _, c := range append(count.Cost(), age.Cost()...) {
		spent.Add(spent, c.Epsilon)
	}
	fmt.Printf("costs ε = %s, counts within ±%v\n", spent.RatString(), width)

	// The engine's partials: two groups.
	ctx := context.Background()
	rows, err := count.Release(ctx, pool, []dp.Partial{{Rows: dp.FromInt64(5000)}, {Rows: dp.FromInt64(8000)}})
	if err != nil {
		panic(err)
	}
	ages, err := age.Release(ctx, pool, []dp.MomentsPartial{
		{Rows: dp.FromInt64(5000), Sums: []dp.Int128{dp.FromInt64(250_000)}},
		{Rows: dp.FromInt64(8000), Sums: []dp.Int128{dp.FromInt64(480_000)}},
	})
	if err != nil {
		panic(err)
	}
	for i := range rows {
		mean, err := ages[i].Mean(0)
		if err != nil {
			panic(err)
		}
		interval, err := mean.Interval(0.95)
		if err != nil {
			panic(err)
		}
		_, _ = rows[i].Float64(), interval // another number each time
	}
	// Output: costs ε = 1/2, counts within ±108
}

func BenchmarkRelease(b *testing.B) {
	pool := dp.NewPool()
	defer pool.Close()
	for name, buy := range map[string]func(*big.Rat) (dp.Price, error){"laplace": dp.Epsilon, "gaussian": dp.Rho} {
		b.Run(name, func(b *testing.B) {
			price, err := buy(big.NewRat(1, 10))
			if err != nil {
				b.Fatal(err)
			}
			m, err := dp.NewCountUnits(price, 4)
			if err != nil {
				b.Fatal(err)
			}
			partials := make([]dp.Partial, 1000)
			for b.Loop() {
				numbers, err := m.Release(b.Context(), pool, partials)
				if err != nil {
					b.Fatal(err)
				}
				for _, n := range numbers {
					if _, err := n.Interval(0.95); err != nil {
						b.Fatal(err)
					}
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(partials)), "ns/cell")
		})
	}
}
