// Package account says how much answers may have revealed about one privacy
// unit. It exists so that a ledger, a planner and a person who checks either
// use one arithmetic.
//
// There are two uses, and they must not be mixed:
//
//   - A ledger charges as questions come, each perhaps chosen after the answers
//     before it. For that only the filters of zero-concentrated differential
//     privacy (Σρ, Σδ) and of pure ε (Σε) are here: [Charge], [Limit]. They are
//     valid for adaptive analysts.
//   - A plan, such as the steps of DP-SGD, fixes every event before the first.
//     [NewPlan] bounds it by zCDP, by Rényi differential privacy ([RDP]) and by
//     the distribution of the privacy loss ([PLD]). Stopping by the last one
//     while questions are chosen would not be valid: its natural filter is not.
//
// Neighbours differ by adding or removing one privacy unit, everywhere.
//
// It promises that amounts which a ledger stores are exact decimals whose sums
// do not depend on order ([Epsilon], [Rho], [Delta]); that what is charged is
// rounded up and what is allowed is rounded down; and that every other number
// is an upper bound, also after rounding and truncation. A bound that cannot be
// given is refused with the reason. The package must never draw randomness, see
// data, or import another of this project.
//
// Sources: Canonne, Kamath and Steinke 2020 (conversion, discrete Gaussian);
// Whitehouse et al. 2022 (filters); Cesar and Rogers 2021 (exponential
// mechanism); Mironov, Talwar and Zhang 2019 (sampled Gaussian); Zhu, Dong and
// Wang 2022 (dominating pairs and their sampling); Doroshenko, Ghazi, Kamath,
// Kumar and Manurangsi 2022 (discretisation that connects the dots).
package account
