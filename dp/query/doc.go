// Package query turns a researcher's SQL into questions that an engine may
// ask of private rows and whose answers say only so much about any one unit
// (a person, or whatever the owner protects).
//
// The way: Lift takes GoogleSQL's differential-privacy clause out of the
// text; DuckDB's own parser, elsewhere and without data, makes a tree of the
// rest; Lower turns the tree, as hostile bytes, into a small typed form,
// through lists of what is allowed; Query.Bound joins it with what the owner
// stated, and gives a Plan: which exact integers to compute per group, how
// much one unit can move each of them, and SQL for each engine that computes
// them. PartialSchema.Check holds what an engine returned against the plan.
//
// Promises: only SQL that this package wrote is meant to reach private rows.
// No expression in it can fail because of what the rows hold, none gives
// different results in different engines, and none draws random numbers.
// Every value is clamped where it enters a sum, whatever is inside of it.
// Bounds come from stated facts alone; what is missing is named, never
// guessed. What is not on a list is refused with its place and a remedy.
//
// It must never read rows, add noise, or decide what an answer costs.
package query
