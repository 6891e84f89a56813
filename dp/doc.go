// Package dp answers with proved bounds on what an answer says about any one
// person: differential privacy with exact arithmetic, by itself, without the
// rest of this module.
//
// # Promise
//
// A mechanism's outputs on two neighbouring inputs have probabilities whose
// ratio is bounded as its [Cost] says. Neighbours differ by one privacy unit
// (one person, say), who is there in one and absent in the other, with all
// that the unit contributes after bounding: add/remove, not substitution, which
// costs about twice as much. The bound holds for the integers that are drawn,
// not for an idealised real number: noise is discrete Laplace or discrete
// Gaussian on a fixed lattice, drawn by the integer algorithms of Canonne,
// Kamath and Steinke (arXiv 2004.00010) from crypto/rand. The lattice comes
// from what the data's owner states, never from data.
//
// # What it takes and gives
//
// Mechanisms take partials: one exact integer summary for each group, to which
// each unit contributed within the stated bounds. Who makes the partials does
// the bounding; a mechanism refuses partials that cannot have come from it.
// Everything that can be wrong with parameters is refused by constructors,
// before anything is drawn, with an [Error]. Every answer gives its interval at
// any level.
//
// Noise is handed out by a [Pool], which draws ahead: how long a draw takes
// depends on what is drawn, so nobody who waits for an answer may wait for its
// own draw.
//
// It must never draw noise from floating-point formulas, round before noise is
// added other than onto the lattice, or take randomness from anywhere else.
package dp
