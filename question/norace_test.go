//go:build !race

package question_test

const underRace = false
