//! The Pareto front of relevance against diversity, and its knee.

/// A policy on the plane of the two.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    pub diversity: f64,
    pub relevance: f64,
}

impl Point {
    /// As much of both and more of one.
    fn dominates(&self, other: &Point) -> bool {
        self.diversity >= other.diversity && self.relevance >= other.relevance && self != other
    }

    fn is_finite(&self) -> bool {
        self.diversity.is_finite() && self.relevance.is_finite()
    }
}

/// Indices of the points that no other dominates, by rising diversity (so by falling relevance); of equal points the first.
/// Points that are not finite are left out.
pub fn front(points: &[Point]) -> Vec<usize> {
    let finite = || points.iter().enumerate().filter(|(_, point)| point.is_finite());
    let is_best = |(n, point): &(usize, &Point)| {
        let beaten = finite().any(|(m, other)| other.dominates(point) || (m < *n && other == *point));
        !beaten
    };
    let mut best: Vec<usize> = finite().filter(is_best).map(|(n, _)| n).collect();
    best.sort_by(|a, b| points[*a].diversity.total_cmp(&points[*b].diversity));
    best
}

/// How far each point of a front bulges beyond the straight line between the front's ends, the best of each axis.
///
/// Both axes are stretched so that the ends lie at (0, 1) and (1, 0); the bulge is then `(x + y − 1) / √2`, 0 at the ends and
/// negative where the front is hollow. `front`: points by rising diversity, as [`front`] orders them. In [−0.71, 0.71]; all 0
/// for a front without extent.
pub fn bulges(front: &[Point]) -> Vec<f64> {
    let (Some(first), Some(last)) = (front.first(), front.last()) else { return Vec::new() };
    let (wide, high) = (last.diversity - first.diversity, first.relevance - last.relevance);
    let bulge = |point: &Point| {
        let (x, y) = ((point.diversity - first.diversity) / wide, (point.relevance - last.relevance) / high);
        (x + y - 1.0) / std::f64::consts::SQRT_2
    };
    if wide > 0.0 && high > 0.0 { front.iter().map(bulge).collect() } else { vec![0.0; front.len()] }
}

/// The knee of a front: the point that bulges most, the first of equals; `None` where nothing bulges.
///
/// Before it, a share of the diversity to be had costs a smaller share of the relevance to be lost; beyond it, a greater one.
/// It depends on where the front ends: only points that may be chosen belong in it. Source: Das, Structural Optimization
/// 1999 (farthest from the line through the individual optima); on a sampled curve it is the point that Kneedle finds
/// (Satopää, Albrecht, Irwin & Raghavan, ICDCS Workshops 2011).
pub fn knee(front: &[Point]) -> Option<usize> {
    let bulges = bulges(front).into_iter().enumerate().filter(|(_, bulge)| *bulge > 0.0);
    bulges.reduce(|best, other| if other.1 > best.1 { other } else { best }).map(|(n, _)| n)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(all: &[(f64, f64)]) -> Vec<Point> {
        all.iter().map(|(diversity, relevance)| Point { diversity: *diversity, relevance: *relevance }).collect()
    }

    #[test]
    fn the_front_is_what_no_other_dominates() {
        let all = points(&[(0.5, 0.8), (0.1, 1.0), (0.4, 0.8), (0.9, 0.2), (0.5, 0.8), (0.2, 0.1), (f64::NAN, 2.0), (0.05, 1.0)]);
        assert_eq!(front(&all), [1, 0, 3]);
        assert_eq!(front(&[]), [0usize; 0]);
        assert_eq!(front(&points(&[(0.3, 0.3)])), [0]);
    }

    #[test]
    fn the_knee_of_a_corner_is_its_corner() {
        let corner = points(&[(0.0, 1.0), (0.3, 0.99), (0.6, 0.97), (0.8, 0.6), (0.9, 0.3), (1.0, 0.0)]);
        assert_eq!(knee(&corner), Some(2));
        // (.6 + .97 − 1) / √2.
        assert!((bulges(&corner)[2] - 0.57 / 2f64.sqrt()).abs() < 1e-12);
        assert_eq!((bulges(&corner)[0], bulges(&corner)[5]), (0.0, 0.0));
    }

    #[test]
    fn the_axes_units_do_not_matter() {
        let quarter = |n: i32| (f64::from(n) / 20.0 * std::f64::consts::FRAC_PI_2).sin_cos();
        let circle: Vec<(f64, f64)> = (0..=20).map(quarter).collect();
        // A quarter of a circle bulges most in its middle, however it is stretched.
        assert_eq!(knee(&points(&circle)), Some(10));
        let stretched: Vec<(f64, f64)> = circle.iter().map(|(x, y)| (5.0 + 0.01 * x, 300.0 * y - 7.0)).collect();
        assert_eq!(knee(&points(&stretched)), Some(10));
    }

    #[test]
    fn a_straight_or_hollow_front_has_no_knee() {
        assert_eq!(knee(&points(&[(0.0, 1.0), (0.5, 0.5), (1.0, 0.0)])), None);
        assert_eq!(knee(&points(&[(0.0, 1.0), (0.2, 0.2), (1.0, 0.0)])), None);
        assert_eq!(knee(&points(&[(0.2, 1.0)])), None);
        assert_eq!(knee(&[]), None);
    }
}
