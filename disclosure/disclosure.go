// Package disclosure asks of every output whether private rows or identifiers
// are in it, without opening the private table again.
//
// At registration one pass over the table writes a keyed index: tokens of
// normalised cells, useless without the site's key. A check compares the cells
// of an output with that index and says passed, failed or inapplicable; only
// "passed" may let an answer leave by itself, and whatever is too large or too
// strange to check is inapplicable, never passed. Results speak of positions
// and counts, never of values. The tests hold the checks against ordinary
// analyses and hidden rows of a real table, and fuzz the index reader.
//
// # What the checks see, and what they cannot
//
// They see copies: rows of the private table in any order of columns, under any
// names, transposed, in JSON, in flattened arrays, inside text cells, rounded or
// disturbed in the fourth digit; identifiers anywhere; columns handed out whole.
//
// They do not see what is encoded (scaled, shifted, encrypted, hidden in low
// digits, in the order of rows or in pixels), one or two values of one person, rows
// joined from several tables, statistics over very few people, or what two
// answers reveal together by subtraction. A person's review of the code is the
// main defence; these checks catch accidents and plain copying.
package disclosure
