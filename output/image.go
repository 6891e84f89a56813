package output

import (
	"bytes"
	"image"
	"image/color"
	"image/png"

	"github.com/anchorhold/anchorhold/disclosure"
)

// parseImage is the parser of the kind image. The header's dimensions are checked
// before a pixel is decoded; then the picture is drawn anew with 8 bits a
// channel. So nothing is left of text chunks, profiles, unused palette entries,
// invisible colours of transparent pixels, or bytes after the end. What the
// pixels show is for a person to judge.
func parseImage(_ ManifestEntry, data []byte, lim Limits) (parsed, error) {
	head, err := png.DecodeConfig(bytes.NewReader(data))
	if err != nil {
		return parsed{}, refuseFor(notPNG, err)
	}
	if head.Width <= 0 || head.Height <= 0 || int64(head.Width)*int64(head.Height) > int64(lim.Pixels) {
		return parsed{}, refuse(tooManyPixels)
	}
	decoded, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		return parsed{}, refuseFor(notPNG, err)
	}
	var out bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.DefaultCompression}).Encode(&out, redraw(decoded)); err != nil {
		return parsed{}, refuseFor(notPNG, err)
	}
	return parsed{data: out.Bytes(), rows: 1, cells: disclosure.Cells{}}, nil
}

// redraw copies pixels one by one.
func redraw(from image.Image) *image.NRGBA {
	r := from.Bounds()
	to := image.NewNRGBA(image.Rect(0, 0, r.Dx(), r.Dy()))
	for y := range r.Dy() {
		for x := range r.Dx() {
			to.Set(x, y, from.At(r.Min.X+x, r.Min.Y+y))
			if to.NRGBAAt(x, y).A == 0 {
				to.SetNRGBA(x, y, color.NRGBA{})
			}
		}
	}
	return to
}
