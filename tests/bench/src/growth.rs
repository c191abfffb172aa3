//! The growth of a parser's instructions with its input.

use std::collections::HashMap;
use std::process::ExitCode;

use crate::goals::Measure;
use crate::results::Results;
use crate::{callgrind, measure};

/// The sizes are this factor apart.
const STEP: usize = 4;
/// The limit of a step's cost relative to the one before: linear work, and a little for reallocated
/// memory.
const MOST: f64 = 4.6;
/// The sizes begin here, and end with the largest one or a given one.
const SMALLEST: usize = 1_000;
const LARGEST: usize = SMALLEST * STEP.pow(5);
/// The size of a nearly empty input, for the cost of a bare call.
const EMPTY: usize = 16;
/// Fewer instructions than this, half a millisecond, are not judged as growth: for short
/// inputs the code before and after the parser counts too. Without optimizations everything takes
/// several times as many.
const FEW: f64 = if cfg!(debug_assertions) {
    5_000_000.0
} else {
    1_500_000.0
};
/// The limit for a refusal before anything is read.
const REFUSAL: f64 = 20_000.0;
/// Beyond the longest accepted input, the search for its end may pass over each byte.
const PASSED: f64 = 12.0;

/// glibc copies more than 2 KB with one instruction, of which callgrind counts every byte. This
/// setting avoids it, so that a byte costs the same for any length.
const VARIABLES: [(&str, &str); 1] = [(
    "GLIBC_TUNABLES",
    "glibc.cpu.x86_rep_movsb_threshold=1000000000:glibc.cpu.x86_rep_stosb_threshold=1000000000",
)];

type Prepare = Box<dyn Fn(usize) -> Box<dyn FnMut()>>;

/// An input of some shape for one of the parsers, in any size.
pub struct Shape {
    parser: &'static str,
    name: &'static str,
    /// The longest possible or accepted input.
    longest: usize,
    capped: bool,
    largest: usize,
    prepare: Prepare,
}

impl Shape {
    /// `prepare` makes an input of this many bytes and returns a closure that parses it.
    pub fn new<F: FnMut() + 'static>(
        parser: &'static str,
        name: &'static str,
        prepare: impl Fn(usize) -> F + 'static,
    ) -> Self {
        Self {
            parser,
            name,
            longest: LARGEST,
            capped: false,
            largest: LARGEST,
            prepare: Box::new(move |size| Box::new(prepare(size))),
        }
    }

    fn limited(mut self, largest: usize) -> Self {
        if self.longest > largest {
            self.capped = false;
            self.longest = largest;
        }
        self.largest = largest;
        self
    }

    /// An earlier limit excludes longer inputs.
    #[must_use]
    pub fn no_longer_than(mut self, bytes: usize) -> Self {
        self.longest = bytes;
        self
    }

    /// A longer input is refused, at no more than the cost of finding its end.
    #[must_use]
    pub fn refused_beyond(mut self, bytes: usize) -> Self {
        self.longest = bytes;
        self.capped = true;
        self
    }

    fn id(&self, size: usize) -> String {
        format!("{}, {}@{size}", self.parser, self.name)
    }

    /// Up to the longest accepted input.
    fn sizes(&self) -> Vec<usize> {
        if self.longest == self.largest {
            let all = std::iter::successors(Some(SMALLEST), |size| Some(size * STEP));
            return all.take_while(|size| *size <= self.largest).collect();
        }
        let down = std::iter::successors(Some(self.longest), |size| Some(size / STEP));
        let mut sizes: Vec<_> = down.take_while(|size| *size > 4 * EMPTY).collect();
        sizes.reverse();
        sizes
    }

    fn sizes_beyond(&self) -> Vec<usize> {
        let up = std::iter::successors(Some(self.longest * STEP), |size| Some(size * STEP));
        up.take_while(|size| self.capped && *size <= self.largest)
            .collect()
    }

    fn run(&self) {
        let sizes = [EMPTY].into_iter().chain(self.sizes());
        for size in sizes.chain(self.sizes_beyond()) {
            let mut call = (self.prepare)(size);
            // For state that is set up once and kept.
            call();
            measure::region(&self.id(size), 1, &mut *call);
        }
    }

    /// The instructions of each size, and the exceeded limits.
    fn judge(&self, counted: &HashMap<String, f64>) -> (Vec<f64>, Vec<String>) {
        let of = |size: usize| counted.get(&self.id(size)).copied().unwrap_or(f64::NAN);
        let cost = |size: usize| of(size) - of(EMPTY);
        let (sizes, beyond) = (self.sizes(), self.sizes_beyond());
        let mut faults = Vec::new();
        for step in sizes.windows(2) {
            let [less, more] = [step[0], step[1]].map(cost);
            let grown = more / less.max(FEW / MOST);
            // NaN is a fault too.
            if !matches!(grown.partial_cmp(&MOST), Some(std::cmp::Ordering::Less)) {
                let [from, to] = [step[0], step[1]];
                faults.push(format!(
                    "from {from} to {to} bytes the cost grows by ×{grown:.1}, more than ×{MOST}"
                ));
            }
        }
        let longest = cost(self.longest).max(REFUSAL);
        for &size in &beyond {
            #[expect(clippy::cast_precision_loss, reason = "a million")]
            let most = longest + PASSED * size as f64;
            if !matches!(
                cost(size).partial_cmp(&most),
                Some(std::cmp::Ordering::Less)
            ) {
                faults.push(format!(
                    "{size} bytes, which are too long, cost {:.0} instructions, more than {most:.0}",
                    cost(size)
                ));
            }
        }
        let costs = sizes.iter().chain(&beyond).map(|&size| cost(size));
        (costs.collect(), faults)
    }
}

impl std::fmt::Debug for Shape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.id(self.longest))
    }
}

const USAGE: &str = "\
Counts the instructions of each parser for inputs that grow, and fails where they grow faster.

  --only NAME      the parsers alone whose names begin so; may be given again
  --largest BYTES  up to 1024000, which it is otherwise";

/// The program that judges these shapes.
pub fn main(shapes: Vec<Shape>) -> ExitCode {
    let judged = Arguments::read().and_then(|arguments| {
        let shapes = shapes.into_iter().filter(|shape| arguments.wants(shape));
        let shapes: Vec<_> = shapes.map(|it| it.limited(arguments.largest)).collect();
        if !arguments.counted {
            return judge(&shapes, &arguments);
        }
        shapes.iter().for_each(Shape::run);
        Ok(true)
    });
    match judged {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

struct Arguments {
    /// In the program that this one starts under valgrind.
    counted: bool,
    only: Vec<String>,
    largest: usize,
}

impl Arguments {
    fn read() -> Result<Self, String> {
        let (counted, only, largest) = (false, Vec::new(), LARGEST);
        let mut read = Self {
            counted,
            only,
            largest,
        };
        let mut args = std::env::args().skip(1);
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or_else(|| format!("{arg} wants a value"));
            match arg.as_str() {
                "--only" => read.only.push(value()?),
                "--largest" => {
                    let value = value()?;
                    let number = value.parse().ok().filter(|bytes| *bytes >= SMALLEST);
                    read.largest = number.ok_or_else(|| format!("--largest {value}"))?;
                }
                "--counted" => read.counted = true,
                _ => return Err(format!("unexpected argument `{arg}`\n\n{USAGE}")),
            }
        }
        Ok(read)
    }

    fn wants(&self, shape: &Shape) -> bool {
        let is_it = |name: &String| shape.parser.starts_with(name.as_str());
        self.only.is_empty() || self.only.iter().any(is_it)
    }
}

/// Whether none of them grows too fast.
fn judge(shapes: &[Shape], arguments: &Arguments) -> Result<bool, String> {
    let is_of = |name: &String| {
        shapes
            .iter()
            .any(|shape| shape.parser.starts_with(name.as_str()))
    };
    if let Some(name) = arguments.only.iter().find(|name| !is_of(name)) {
        return Err(format!("--only {name}: no parser's name begins with it"));
    }
    let program = std::env::current_exe().map_err(|error| format!("this program: {error}"))?;
    let largest = arguments.largest.to_string();
    let mut args = vec!["--counted", "--largest", &largest];
    args.extend(arguments.only.iter().flat_map(|name| ["--only", name]));
    let mut results = Results::default();
    callgrind::count(&program, &args, &VARIABLES, &mut results)?;
    let counted = results.all(Measure::Instructions);
    let mut good = true;
    for shape in shapes {
        let (costs, faults) = shape.judge(&counted);
        let costs: Vec<_> = costs.iter().map(|cost| format!("{cost:>11.0}")).collect();
        let verdict = if faults.is_empty() { "ok" } else { "TOO FAST" };
        let name = format!("{}, {}", shape.parser, shape.name);
        println!("{name:<56} {verdict:<8} {}", costs.join(" "));
        for fault in faults {
            println!("    {fault}");
            good = false;
        }
    }
    Ok(good)
}
