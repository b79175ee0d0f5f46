//! A sweep as a picture: an SVG of its own, readable in light and dark, with every number in it as text.

use std::fmt::{self, Write};

use super::{super::intervals::Estimate, Bounds, Judgement};

const WIDTH: f64 = 820.0;
const HEIGHT: f64 = 590.0;
const LEFT: f64 = 76.0;
const RIGHT: f64 = 28.0;
const TOP: f64 = 112.0;
const BOTTOM: f64 = 92.0;
/// Space around the points, as a share of their extent.
const MARGIN: f64 = 0.07;
/// Lines across an axis, about.
const TICKS: f64 = 6.0;
/// With more settings none is named but those with a sign, and only those on the front have whiskers.
const MAX_NAMED: usize = 24;
/// Between a point and its name.
const GAP: f64 = 9.0;
/// A name takes about so much room.
const CROWDED: f64 = 44.0;
/// The row that explains signs, and about the width of a letter in it.
const LEGEND: f64 = 88.0;
const LETTER: f64 = 7.3;

/// Colours for light and for dark: contrast at least 4.5 : 1 for text (WCAG 2.2, 1.4.3) and 3 : 1 for marks.
const STYLE: &str = "
    text { font: 13px system-ui, 'Segoe UI', Helvetica, Arial, sans-serif; fill: #1f2933; }
    .title { font-size: 17px; font-weight: 600; }
    .quiet { fill: #52606d; }
    .strong { font-weight: 600; }
    .paper { fill: #ffffff; }
    .grid { stroke: #e4e7eb; stroke-width: 1; }
    .axis { stroke: #7b8794; stroke-width: 1; }
    .band { fill: #fbe3e4; }
    .floor { stroke: #52606d; stroke-width: 1.3; stroke-dasharray: 7 5; }
    .rail-name { fill: #b3261e; }
    .front { fill: none; stroke: #0b69a3; stroke-width: 2; }
    .beyond { fill: none; stroke: #7b8794; stroke-width: 1.2; stroke-dasharray: 3 4; }
    .on { fill: #0b69a3; }
    .off { fill: #ffffff; stroke: #7b8794; stroke-width: 1.5; }
    .sure { stroke: #7b8794; stroke-width: 1; }
    .ring { fill: none; stroke: #8a3ffc; stroke-width: 2.5; }
    .ring-name { fill: #6929c4; font-weight: 600; }
    .knee { fill: #b44d12; stroke: #ffffff; stroke-width: 1.5; }
    .knee-name { fill: #b44d12; font-weight: 600; }
    .hollow { fill: #ffffff; stroke: #b44d12; stroke-width: 2; }
    @media (prefers-color-scheme: dark) {
      text { fill: #e4e7eb; }
      .quiet { fill: #9aa5b1; }
      .paper { fill: #12181f; }
      .grid { stroke: #27313c; }
      .band { fill: #3a1d1f; }
      .floor { stroke: #9aa5b1; }
      .rail-name { fill: #ff8a80; }
      .front { stroke: #5bb3e8; }
      .beyond { stroke: #9aa5b1; }
      .on { fill: #5bb3e8; }
      .off { fill: #12181f; stroke: #9aa5b1; }
      .sure { stroke: #9aa5b1; }
      .ring { stroke: #c3a1ff; }
      .ring-name { fill: #c3a1ff; }
      .knee { fill: #ff9d5c; stroke: #12181f; }
      .knee-name { fill: #ff9d5c; }
      .hollow { fill: #12181f; stroke: #ff9d5c; }
    }
";

/// One setting as it is drawn.
#[derive(Clone, Debug)]
pub struct Mark {
    /// As it stands beside its point: the value of the one knob.
    pub name: String,
    /// As it is read out: all knobs with their values.
    pub about: String,
    pub diversity: Estimate,
    pub relevance: Estimate,
}

/// Everything in the picture.
#[derive(Clone, Debug)]
pub struct Picture<'a> {
    pub title: String,
    /// What was replayed: one line below the picture.
    pub source: String,
    /// Of the axes.
    pub diversity: &'static str,
    pub relevance: &'static str,
    /// Decimals of relevance.
    pub decimals: usize,
    pub marks: Vec<Mark>,
    pub judgement: &'a Judgement,
    pub bounds: &'a Bounds,
    /// Whether the relevance axis is the one that the bounds are about.
    pub shows_bounds: bool,
    /// The mark of the policy that is in force, and what it is called.
    pub active: Option<(usize, String)>,
}

/// From values to places in the picture.
struct Scale {
    low: f64,
    high: f64,
    from: f64,
    to: f64,
}

impl Scale {
    fn new(values: impl Iterator<Item = f64> + Clone, from: f64, to: f64) -> Self {
        let finite = values.filter(|value| value.is_finite());
        let (low, high) = finite.fold((f64::MAX, f64::MIN), |(low, high), value| (low.min(value), high.max(value)));
        let (low, high) = if low > high { (0.0, 1.0) } else { (low, high) };
        let margin = ((high - low) * MARGIN).max(1e-6);
        Self { low: low - margin, high: high + margin, from, to }
    }

    fn at(&self, value: f64) -> f64 {
        self.from + (value - self.low) / (self.high - self.low) * (self.to - self.from)
    }

    /// Round values across it, and their decimals.
    fn ticks(&self) -> (Vec<f64>, usize) {
        let rough = (self.high - self.low) / TICKS;
        let power = 10f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|n| n * power).find(|step| *step >= rough).unwrap_or(power);
        let first = (self.low / step).ceil() as i64;
        let last = (self.high / step).floor() as i64;
        let decimals = (-step.log10().floor()).max(0.0) as usize;
        ((first..=last).map(|n| n as f64 * step).collect(), decimals)
    }
}

impl Picture<'_> {
    /// The whole file.
    pub fn svg(&self) -> String {
        let mut out = String::new();
        // Writing to a string cannot fail.
        let _ = self.write(&mut out);
        out
    }

    fn write(&self, out: &mut String) -> fmt::Result {
        let x = Scale::new(self.marks.iter().map(|mark| mark.diversity.value), LEFT, WIDTH - RIGHT);
        let ends = self.marks.iter().flat_map(|mark| [mark.relevance.lower, mark.relevance.upper]);
        let floor = self.shows_bounds.then_some(self.bounds.relevance_floor);
        let y = Scale::new(ends.chain(floor), HEIGHT - BOTTOM, TOP);
        writeln!(
            out,
            r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" role="img" aria-labelledby="title about">"#
        )?;
        writeln!(out, r#"<title id="title">{}</title>"#, escaped(&self.title))?;
        writeln!(out, r#"<desc id="about">{}</desc>"#, escaped(&self.about()))?;
        writeln!(out, "<style>{STYLE}</style>")?;
        writeln!(out, r#"<rect class="paper" width="{WIDTH}" height="{HEIGHT}" rx="8"/>"#)?;
        if self.shows_bounds {
            self.bounds(out, &y)?;
        }
        self.axes(out, &x, &y)?;
        self.points(out, &x, &y)?;
        self.signs(out, &x, &y)?;
        text(out, "title", LEFT, 34.0, "start", &self.title)?;
        text(out, "quiet", LEFT, 56.0, "start", "Up and to the right is better. Whiskers: 95 % intervals over people.")?;
        text(out, "quiet", LEFT, HEIGHT - 18.0, "start", &self.source)?;
        out.write_str("</svg>\n")
    }

    /// The picture in words, for those who do not see it.
    fn about(&self) -> String {
        let digits = self.decimals;
        let said = |n: usize| {
            let mark = &self.marks[n];
            format!("{} ({} {:.3}, {} {:.digits$})", mark.about, self.diversity, mark.diversity.value, self.relevance, mark.relevance.value)
        };
        let mut about = format!("{} settings. ", self.marks.len());
        let front: Vec<String> = self.judgement.front.iter().map(|n| said(*n)).collect();
        let _ = write!(about, "Pareto front within the bounds, by rising diversity: {}. ", front.join("; "));
        if let Some(knee) = self.judgement.knee {
            let _ = write!(about, "Knee: {}. ", said(knee));
        }
        if let Some(knee) = self.judgement.knee_of_all.filter(|knee| Some(*knee) != self.judgement.knee) {
            let _ = write!(about, "Knee without bounds: {}. ", said(knee));
        }
        if let Some((active, name)) = &self.active {
            let _ = write!(about, "{name}: {}.", said(*active));
        }
        about
    }

    /// The band that the guardrail rules out, and the floor above it that nobody would choose to go below.
    fn bounds(&self, out: &mut String, y: &Scale) -> fmt::Result {
        let bottom = HEIGHT - BOTTOM;
        let rail = self.bounds.guardrails.relevance_kept_min;
        let top = y.at(f64::from(rail)).clamp(TOP, bottom);
        writeln!(out, r#"<rect class="band" x="{LEFT}" y="{top:.1}" width="{:.1}" height="{:.1}"/>"#, WIDTH - RIGHT - LEFT, bottom - top)?;
        text(out, "rail-name", LEFT + 10.0, bottom - 12.0, "start", &format!("below the guardrail: {} {rail}", self.relevance))?;
        let floor = self.bounds.relevance_floor;
        if floor <= f64::from(rail) {
            return Ok(());
        }
        let at = y.at(floor);
        line(out, "floor", [LEFT, at, WIDTH - RIGHT, at])?;
        text(out, "quiet", LEFT + 10.0, at - 7.0, "start", &format!("floor of the choice: {} {floor}", self.relevance))
    }

    fn axes(&self, out: &mut String, x: &Scale, y: &Scale) -> fmt::Result {
        let (floor, end) = (HEIGHT - BOTTOM, WIDTH - RIGHT);
        let (ticks, digits) = x.ticks();
        for tick in ticks {
            let at = x.at(tick);
            line(out, "grid", [at, TOP, at, floor])?;
            text(out, "quiet", at, floor + 19.0, "middle", &format!("{tick:.digits$}"))?;
        }
        let (ticks, digits) = y.ticks();
        for tick in ticks {
            let at = y.at(tick);
            line(out, "grid", [LEFT, at, end, at])?;
            text(out, "quiet", LEFT - 9.0, at + 4.5, "end", &format!("{tick:.digits$}"))?;
        }
        line(out, "axis", [LEFT, floor, end, floor])?;
        line(out, "axis", [LEFT, TOP, LEFT, floor])?;
        text(out, "strong", f64::midpoint(LEFT, end), floor + 42.0, "middle", &format!("{} →", self.diversity))?;
        let (left, middle) = (22.0, f64::midpoint(TOP, floor));
        writeln!(
            out,
            r#"<text class="strong" text-anchor="middle" transform="translate({left} {middle}) rotate(-90)">{} →</text>"#,
            escaped(self.relevance)
        )
    }

    fn points(&self, out: &mut String, x: &Scale, y: &Scale) -> fmt::Result {
        let place = |mark: &Mark| (x.at(mark.diversity.value), y.at(mark.relevance.value));
        let is_named = |n: usize| self.marks.len() <= MAX_NAMED || self.judgement.front.contains(&n);
        for (_, mark) in self.marks.iter().enumerate().filter(|(n, _)| is_named(*n)) {
            let (left, right) = (x.at(mark.diversity.lower), x.at(mark.diversity.upper));
            let (low, high) = (y.at(mark.relevance.lower), y.at(mark.relevance.upper));
            let (at_x, at_y) = place(mark);
            line(out, "sure", [at_x, low, at_x, high])?;
            line(out, "sure", [left, at_y, right, at_y])?;
        }
        for (class, front) in [("beyond", &self.judgement.front_of_all), ("front", &self.judgement.front)] {
            let places = front.iter().map(|n| place(&self.marks[*n])).map(|(x, y)| format!("{x:.1},{y:.1}"));
            writeln!(out, r#"<polyline class="{class}" points="{}"/>"#, places.collect::<Vec<_>>().join(" "))?;
        }
        for (n, mark) in self.marks.iter().enumerate() {
            let (at_x, at_y) = place(mark);
            let class = if self.judgement.front.contains(&n) { "on" } else { "off" };
            writeln!(
                out,
                r#"<circle class="{class}" cx="{at_x:.1}" cy="{at_y:.1}" r="5"><title>{}</title></circle>"#,
                escaped(&mark.about)
            )?;
            if self.active.as_ref().is_some_and(|(active, _)| *active == n) {
                text(out, "ring-name", at_x, at_y + 27.0, "middle", &mark.name)?;
            } else if self.marks.len() <= MAX_NAMED {
                let is_in_the_way = |other: &Mark| {
                    let (x, y) = place(other);
                    (at_x + 1.0..at_x + CROWDED).contains(&x) && (at_y - CROWDED..at_y + GAP).contains(&y)
                };
                let (aside, anchor) = if self.marks.iter().any(is_in_the_way) { (-GAP, "end") } else { (GAP, "start") };
                text(out, "quiet", at_x + aside, at_y - GAP, anchor, &mark.name)?;
            }
        }
        Ok(())
    }

    /// The signs of the knees and of the policy in force, at their points and explained in a row.
    fn signs(&self, out: &mut String, x: &Scale, y: &Scale) -> fmt::Result {
        let Judgement { knee, knee_of_all, .. } = *self.judgement;
        let active = self.active.as_ref().map(|(n, name)| (Sign::Ring, *n, name.as_str()));
        let free = knee_of_all.filter(|_| knee != knee_of_all).map(|n| (Sign::Hollow, n, "knee without bounds"));
        let signs = [active, knee.map(|n| (Sign::Diamond, n, "knee")), free];
        let mut legend_x = LEFT + 12.0;
        for (sign, n, what) in signs.into_iter().flatten() {
            let mark = &self.marks[n];
            sign.draw(out, (x.at(mark.diversity.value), y.at(mark.relevance.value)))?;
            sign.draw(out, (legend_x, LEGEND - 4.5))?;
            let words = format!("{what}: {}", mark.name);
            text(out, sign.name(), legend_x + 18.0, LEGEND, "start", &words)?;
            legend_x += 18.0 + words.chars().count() as f64 * LETTER + 30.0;
        }
        Ok(())
    }
}

/// What marks a point.
#[derive(Clone, Copy)]
enum Sign {
    Ring,
    Diamond,
    Hollow,
}

impl Sign {
    /// Class of the words about it.
    const fn name(self) -> &'static str {
        match self {
            Self::Ring => "ring-name",
            Self::Diamond | Self::Hollow => "knee-name",
        }
    }

    fn draw(self, out: &mut String, (x, y): (f64, f64)) -> fmt::Result {
        match self {
            Self::Ring => writeln!(out, r#"<circle class="ring" cx="{x:.1}" cy="{y:.1}" r="11"/>"#),
            Self::Diamond => diamond(out, "knee", (x, y), 9.0),
            Self::Hollow => diamond(out, "hollow", (x, y), 8.0),
        }
    }
}

fn diamond(out: &mut String, class: &str, (x, y): (f64, f64), half: f64) -> fmt::Result {
    let (left, right, top, bottom) = (x - half, x + half, y - half, y + half);
    writeln!(out, r#"<path class="{class}" d="M{x:.1} {top:.1} L{right:.1} {y:.1} L{x:.1} {bottom:.1} L{left:.1} {y:.1} Z"/>"#)
}

fn line(out: &mut String, class: &str, [x1, y1, x2, y2]: [f64; 4]) -> fmt::Result {
    writeln!(out, r#"<line class="{class}" x1="{x1:.1}" y1="{y1:.1}" x2="{x2:.1}" y2="{y2:.1}"/>"#)
}

fn text(out: &mut String, class: &str, x: f64, y: f64, anchor: &str, words: &str) -> fmt::Result {
    writeln!(out, r#"<text class="{class}" x="{x:.1}" y="{y:.1}" text-anchor="{anchor}">{}</text>"#, escaped(words))
}

/// Text as XML has it.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '"' => out += "&quot;",
            // Not allowed in XML 1.0 at all.
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}
