//go:build race

package question_test

// underRace says that the race detector looks on: it is for what happens at the same
// time, and makes each of many draws ten times as long.
const underRace = true
