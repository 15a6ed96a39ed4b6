//! A question, its figures, and how they are drawn.

use std::error::Error;
use std::path::Path;

use plotters::prelude::*;

/// Curves over a common axis; both axes may be logarithmic.
#[derive(Clone, Debug)]
pub(super) struct Plot {
    /// The name of the file.
    pub(super) name: &'static str,
    pub(super) title: &'static str,
    pub(super) x: &'static str,
    pub(super) y: &'static str,
    /// Whether the x axis is logarithmic; the y axis never is.
    pub(super) is_log: bool,
    pub(super) curves: Vec<Curve>,
}

/// One curve.
#[derive(Clone, Debug)]
pub(super) struct Curve {
    pub(super) name: String,
    pub(super) points: Vec<(f64, f64)>,
}

const COLOURS: [RGBColor; 4] = [BLUE, RED, GREEN, MAGENTA];
const SIZE: (u32, u32) = (760, 420);

impl Plot {
    /// Draws it into a file of a folder.
    pub(super) fn draw(&self, folder: &Path) -> Result<(), String> {
        let file = folder.join(format!("{}.svg", self.name));
        let drawn = self.draw_into(&file);
        drawn.map_err(|error| format!("{}: {error}", file.display()))
    }

    fn draw_into(&self, file: &Path) -> Result<(), Box<dyn Error>> {
        let points = || self.curves.iter().flat_map(|curve| &curve.points);
        let most = |value: fn(&(f64, f64)) -> f64| points().map(value).fold(0.0, f64::max);
        let least = points().map(|(x, _)| *x).fold(f64::INFINITY, f64::min).max(f64::MIN_POSITIVE);
        let (width, height) = (most(|(x, _)| *x), (most(|(_, y)| *y) * 1.1).max(1.0));
        let area = SVGBackend::new(file, SIZE).into_drawing_area();
        area.fill(&WHITE)?;
        let mut builder = ChartBuilder::on(&area);
        let builder = builder
            .caption(self.title, ("sans-serif", 18))
            .margin(12)
            .x_label_area_size(42)
            .y_label_area_size(64);
        if self.is_log {
            let mut chart = builder.build_cartesian_2d((least..width).log_scale(), 0.0..height)?;
            chart.configure_mesh().x_desc(self.x).y_desc(self.y).draw()?;
            for (curve, colour) in self.curves.iter().zip(COLOURS.iter().cycle()) {
                let line = LineSeries::new(curve.points.iter().copied(), colour).point_size(3);
                let legend = move |(x, y)| PathElement::new([(x, y), (x + 16, y)], *colour);
                chart.draw_series(line)?.label(&curve.name).legend(legend);
            }
            chart.configure_series_labels().background_style(WHITE).border_style(BLACK).draw()?;
        } else {
            let mut chart = builder.build_cartesian_2d(0.0..width, 0.0..height)?;
            chart.configure_mesh().x_desc(self.x).y_desc(self.y).draw()?;
            for (curve, colour) in self.curves.iter().zip(COLOURS.iter().cycle()) {
                let line = LineSeries::new(curve.points.iter().copied(), colour).point_size(3);
                let legend = move |(x, y)| PathElement::new([(x, y), (x + 16, y)], *colour);
                chart.draw_series(line)?.label(&curve.name).legend(legend);
            }
            chart.configure_series_labels().background_style(WHITE).border_style(BLACK).draw()?;
        }
        area.present()?;
        Ok(())
    }

    /// Its figures as a table of Markdown.
    pub(super) fn table(&self) -> String {
        let names: Vec<&str> = self.curves.iter().map(|curve| curve.name.as_str()).collect();
        let mut table =
            format!("### {} ({})\n\n| {} | {} |\n", self.title, self.y, self.x, names.join(" | "));
        table.push_str(&format!("|---|{}\n", "---|".repeat(names.len())));
        let rows = self.curves.first().map_or(&[][..], |curve| &curve.points);
        for (row, (x, _)) in rows.iter().enumerate() {
            let cells: Vec<String> = self.curves.iter().map(|curve| cell(&curve.points, row)).collect();
            table.push_str(&format!("| {x} | {} |\n", cells.join(" | ")));
        }
        table.push('\n');
        table
    }
}

fn cell(points: &[(f64, f64)], row: usize) -> String {
    points.get(row).map_or(
        String::new(),
        |(_, y)| {
            if *y >= 100.0 { format!("{y:.0}") } else { format!("{y:.1}") }
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plot(is_log: bool) -> Plot {
        let curve =
            |name: &str, points: &[(f64, f64)]| Curve { name: name.to_owned(), points: points.to_vec() };
        let curves = vec![curve("a", &[(1.0, 2.0), (10.0, 250.0)]), curve("b", &[(1.0, 0.0), (10.0, 0.25)])];
        Plot { name: "some", title: "Some", x: "things", y: "bytes", is_log, curves }
    }

    #[test]
    fn a_table_has_a_column_for_each_curve() {
        let table = plot(true).table();
        assert_eq!(
            table,
            "### Some (bytes)\n\n| things | a | b |\n|---|---|---|\n| 1 | 2.0 | 0.0 |\n| 10 | 250 | 0.2 |\n\n"
        );
    }

    #[test]
    fn a_plot_is_drawn_as_svg_with_its_words() {
        let folder = tempfile::tempdir().unwrap();
        for is_log in [false, true] {
            plot(is_log).draw(folder.path()).unwrap();
            let text = std::fs::read_to_string(folder.path().join("some.svg")).unwrap();
            assert!(text.starts_with("<svg") && text.contains("Some") && text.contains("things"), "{text}");
        }
        assert!(plot(true).draw(&folder.path().join("missing")).unwrap_err().contains("some.svg"));
    }
}
