//! Tables for people: columns as wide as their widest cell.

/// Rows of cells under a heading; the first column is aligned to the left, the others to the right.
pub(super) fn table(heading: &[String], rows: &[Vec<String>]) -> String {
    let columns = heading.len();
    let lines = || std::iter::once(heading).chain(rows.iter().map(Vec::as_slice));
    let width = |column: usize| lines().filter_map(|line| line.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let line = |cells: &[String]| {
        let padded = cells.iter().zip(&widths).enumerate().map(|(column, (cell, width))| {
            let space = " ".repeat(width.saturating_sub(cell.chars().count()));
            if column == 0 { format!("{cell}{space}") } else { format!("{space}{cell}") }
        });
        let line: Vec<String> = padded.collect();
        line.join("  ").trim_end().to_owned()
    };
    lines().map(|cells| line(cells) + "\n").collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let rows = [vec!["a".to_owned(), "1".to_owned(), "ok".to_owned()], vec!["löng".to_owned(), "1000".to_owned(), String::new()]];
        let heading = ["what", "n", "note"].map(str::to_owned);
        assert_eq!(table(&heading, &rows), "what     n  note\na        1    ok\nlöng  1000\n");
    }
}
