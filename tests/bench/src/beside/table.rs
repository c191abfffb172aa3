//! The numbers of the servers, as a table.

/// What was measured of a server.
pub(super) struct Measured {
    name: &'static str,
    /// CPU seconds of an accepted handshake, a refused one, and a message of each size.
    pub(super) accept: Vec<f64>,
    pub(super) refuse: Vec<f64>,
    pub(super) small: Vec<f64>,
    pub(super) large: Vec<f64>,
    /// In seconds, at half of its own rate and at one for all.
    pub(super) p99: Vec<f64>,
    pub(super) p99_at_same: Vec<f64>,
    /// In bytes.
    pub(super) idle: Option<f64>,
    pub(super) kernel: Option<f64>,
    /// Why the numbers are missing.
    pub(super) failed: Option<String>,
}

struct Column {
    name: &'static str,
    value: fn(&Measured) -> Option<f64>,
    shown: fn(f64) -> String,
    more_is_better: bool,
}

const COLUMNS: [Column; 7] = [
    Column {
        name: "accepted, a second and core",
        value: |measured| Some(1.0 / median(&measured.accept)?),
        shown: |value| format!("{value:.0}"),
        more_is_better: true,
    },
    Column {
        name: "refused, a second and core",
        value: |measured| Some(1.0 / median(&measured.refuse)?),
        shown: |value| format!("{value:.0}"),
        more_is_better: true,
    },
    Column {
        name: "p99 at half of accepted",
        value: |measured| median(&measured.p99),
        shown: milliseconds,
        more_is_better: false,
    },
    Column {
        name: "p99 at 400 a second",
        value: |measured| median(&measured.p99_at_same),
        shown: milliseconds,
        more_is_better: false,
    },
    Column {
        name: "an idle socket",
        value: |measured| measured.idle,
        shown: |value| format!("{:.1} KiB", value / 1024.0),
        more_is_better: false,
    },
    Column {
        name: "CPU to echo 1 KiB",
        value: |measured| median(&measured.small),
        shown: |value| format!("{:.1} µs", value * 1e6),
        more_is_better: false,
    },
    Column {
        name: "CPU to echo 64 KiB",
        value: |measured| median(&measured.large),
        shown: |value| format!("{:.1} µs", value * 1e6),
        more_is_better: false,
    },
];

fn milliseconds(seconds: f64) -> String {
    format!("{:.2} ms", seconds * 1e3)
}

impl Measured {
    pub(super) fn new(name: &'static str) -> Self {
        Self {
            name,
            accept: Vec::new(),
            refuse: Vec::new(),
            small: Vec::new(),
            large: Vec::new(),
            p99: Vec::new(),
            p99_at_same: Vec::new(),
            idle: None,
            kernel: None,
            failed: None,
        }
    }
}

/// The first one is ours. Behind each other number stands its ratio to ours.
pub(super) fn print(machine: &str, all: &[Measured]) {
    let Some(ours) = all.first() else { return };
    println!("{machine}\n");
    let names: Vec<_> = COLUMNS.iter().map(|column| column.name).collect();
    println!("| | {} |", names.join(" | "));
    println!("|---|{}", "---|".repeat(COLUMNS.len()));
    let mut behind = Vec::new();
    for measured in all {
        let cells: Vec<_> = COLUMNS
            .iter()
            .map(|column| {
                let Some(value) = (column.value)(measured) else {
                    return "–".to_owned();
                };
                let shown = (column.shown)(value);
                let Some(own) = (column.value)(ours).filter(|_| measured.name != ours.name) else {
                    return shown;
                };
                let ratio = value / own;
                if (ratio > 1.0) == column.more_is_better {
                    behind.push(format!("{}: {} ({ratio:.2}×)", measured.name, column.name));
                }
                format!("{shown} ({ratio:.2}×)")
            })
            .collect();
        println!("| {} | {} |", measured.name, cells.join(" | "));
    }
    println!();
    let kernel: Vec<_> = all.iter().filter_map(|measured| measured.kernel).collect();
    if let Some(kernel) = median(&kernel) {
        let kernel = kernel / 1024.0;
        println!("The kernel takes {kernel:.1} KiB more for a socket, with the client's end.");
    }
    for measured in all {
        if let Some(why) = &measured.failed {
            println!("Not measured in full: {}: {why}", measured.name);
        }
    }
    for row in behind {
        println!("Ahead of {}: {row}", ours.name);
    }
    println!();
}

fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied()
}
