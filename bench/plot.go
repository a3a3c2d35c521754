package main

import (
	"fmt"
	"html"
	"io"
	"math"
	"strings"
)

// chart is a picture of lines over two logarithmic axes.
type chart struct {
	Title, X, Y string // labels
	Lines       []line
}

type line struct {
	Name   string
	Points []point // by ascending X, all above zero
	Colour int     // which of the colours
	Dashed bool
}

type point struct{ X, Y float64 }

// The picture's measures, in pixels: the plane of the axes, with room for labels around it and names to its right.
const (
	width, height       = 860, 460
	left, right         = 70, 640
	top, bottom         = 50, 400
	nameLine, nameStart = 22, 660
)

// colours are told apart by people who do not see red or green, too (Okabe and Ito's palette).
var colours = []string{"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#999999"}

// axis maps values to pixels, whole decades from end to end.
type axis struct {
	low, high int // exponents of ten
	from, to  float64
}

func newAxis(values []float64, from, to float64) axis {
	low, high := math.Inf(1), math.Inf(-1)
	for _, v := range values {
		low, high = min(low, v), max(high, v)
	}
	a := axis{low: int(math.Floor(math.Log10(low))), high: int(math.Ceil(math.Log10(high))), from: from, to: to}
	if a.high == a.low {
		a.high++
	}
	return a
}

func (a axis) at(v float64) float64 {
	part := (math.Log10(v) - float64(a.low)) / float64(a.high-a.low)
	return a.from + part*(a.to-a.from)
}

// writeSVG draws the chart. One without points draws nothing and is an error.
func (c chart) writeSVG(w io.Writer) error {
	var xs, ys []float64
	for _, l := range c.Lines {
		for _, p := range l.Points {
			xs, ys = append(xs, p.X), append(ys, p.Y)
		}
	}
	if len(xs) == 0 {
		return fmt.Errorf("drawing %q: there is nothing to draw", c.Title)
	}
	x, y := newAxis(xs, left, right), newAxis(ys, bottom, top)
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" `+
		`font-family="sans-serif" font-size="13">`+"\n", width, height, width, height)
	fmt.Fprintf(&b, `<rect width="%d" height="%d" fill="white"/>`+"\n", width, height)
	fmt.Fprintf(&b, `<text x="%d" y="28" font-size="16">%s</text>`+"\n", left, html.EscapeString(c.Title))
	c.drawAxes(&b, x, y)
	for i, l := range c.Lines {
		l.draw(&b, x, y, colours[l.Colour%len(colours)], top+10+i*nameLine)
	}
	b.WriteString("</svg>\n")
	_, err := io.WriteString(w, b.String())
	return err
}

func (c chart) drawAxes(b *strings.Builder, x, y axis) {
	for e := x.low; e <= x.high; e++ {
		at := x.at(math.Pow10(e))
		fmt.Fprintf(b, `<path d="M%.1f %dV%d" stroke="#dddddd"/>`+"\n", at, top, bottom)
		fmt.Fprintf(b, `<text x="%.1f" y="%d" text-anchor="middle">%s</text>`+"\n", at, bottom+20, tickLabel(e))
	}
	for e := y.low; e <= y.high; e++ {
		at := y.at(math.Pow10(e))
		fmt.Fprintf(b, `<path d="M%d %.1fH%d" stroke="#dddddd"/>`+"\n", left, at, right)
		fmt.Fprintf(b, `<text x="%d" y="%.1f" text-anchor="end">%s</text>`+"\n", left-8, at+4, tickLabel(e))
	}
	fmt.Fprintf(b, `<path d="M%d %dV%dH%d" stroke="black" fill="none"/>`+"\n", left, top, bottom, right)
	fmt.Fprintf(b, `<text x="%d" y="%d" text-anchor="middle">%s</text>`+"\n", (left+right)/2, bottom+44,
		html.EscapeString(c.X))
	fmt.Fprintf(b, `<text x="18" y="%d" text-anchor="middle" transform="rotate(-90 18 %d)">%s</text>`+"\n",
		(top+bottom)/2, (top+bottom)/2, html.EscapeString(c.Y))
}

// tickLabel is ten to the power of e, as people write it.
func tickLabel(e int) string {
	if e >= 0 {
		return count(int(math.Pow10(e)))
	}
	return fmt.Sprintf("%.*f", -e, math.Pow10(e))
}

func (l line) draw(b *strings.Builder, x, y axis, colour string, nameAt int) {
	style := ""
	if l.Dashed {
		style = ` stroke-dasharray="5 4"`
	}
	b.WriteString(`<polyline fill="none" stroke-width="2" stroke="` + colour + `"` + style + ` points="`)
	for _, p := range l.Points {
		fmt.Fprintf(b, "%.1f,%.1f ", x.at(p.X), y.at(p.Y))
	}
	b.WriteString("\"/>\n")
	for _, p := range l.Points {
		fmt.Fprintf(b, `<circle cx="%.1f" cy="%.1f" r="3" fill="%s"/>`+"\n", x.at(p.X), y.at(p.Y), colour)
	}
	fmt.Fprintf(b, `<path d="M%d %dh24" stroke-width="2" stroke="%s"%s/>`+"\n", nameStart, nameAt-4, colour, style)
	fmt.Fprintf(b, `<text x="%d" y="%d">%s</text>`+"\n", nameStart+30, nameAt, html.EscapeString(l.Name))
}

// publishChart is the wall time of one publish by the size of the index: a line for each tool on each store, and in the
// colour of pinnace's a dashed one for moving the index's bytes there.
func (r report) publishChart() chart {
	c := chart{
		Title: "One publish into an index of n versions",
		X:     "versions in the index", Y: "seconds, from the start of the process to its end",
	}
	at := map[string]int{} // where a line is, by its name
	colours := 0
	add := func(name string, raw bool, p point) {
		i, ok := at[name]
		if !ok {
			if !raw {
				colours++
			}
			i = len(c.Lines)
			at[name] = i
			c.Lines = append(c.Lines, line{Name: name, Colour: colours - 1, Dashed: raw})
		}
		c.Lines[i].Points = append(c.Lines[i].Points, p)
	}
	for _, p := range r.Publish {
		x := float64(p.Versions)
		add(p.Tool+" on "+p.Store, false, point{x, p.Wall.Seconds()})
		if p.Tool == "pinnace" {
			add("GET + PUT on "+p.Store, true, point{x, (p.Get + p.Put).Seconds()})
		}
	}
	return c
}
