package query

// JoinsPublic says whether a public table is joined to the rows of units. Which
// rows of it meet one row follows from what that row holds, so that one unit can
// make an engine's work grow without bound, however little it adds to an answer:
// who answers decides whether they let that happen.
func (p *Plan) JoinsPublic() bool { return p.rows.joinsPublic() }

func (r *rows) joinsPublic() bool {
	if r == nil {
		return false
	}
	if r.kind == join && (!r.from.private || !r.other.private) {
		return true
	}
	return r.from.joinsPublic() || r.other.joinsPublic()
}
