//! What is remembered: the kinds of subjects, the figures each has, and the small integers figures are kept as.
//!
//! A figure is kept as a *code*: an unsigned integer that grows with the figure, so that codes can be compared and
//! subtracted. Percent and rates fit 16 bits; amounts of bytes take 32, because a storage that grows by a few GB a day
//! on 100 TB must not look like stairs.

/// What a chart can be about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    Guest,
    Node,
    Storage,
    Pbs,
    Datastore,
}

/// One figure of a subject; the names are the wire's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Metric {
    Cpu,
    Memory,
    Disk,
    DiskRead,
    DiskWrite,
    NetIn,
    NetOut,
    Usage,
    Used,
    Total,
    Avail,
}

/// How a figure becomes a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Codec {
    /// 0..100 in steps of 1/600.
    Percent,
    /// Bytes per second: exact below 2,048, within 0.025 % above.
    Rate,
    /// Bytes: exact below 64 MiB, within 0.000001 % above.
    Amount,
}

/// The code of "not known".
pub const GAP: u32 = u32::MAX;
/// Most figures a subject has.
pub const MOST_METRICS: usize = 7;

const PERCENT_STEPS: f64 = 600.0;
const RATE_BITS: u32 = 11;
const AMOUNT_BITS: u32 = 26;
/// 0xffff stands for a gap in 16 bits.
const MOST_NARROW: u32 = 0xfffe;

impl Kind {
    pub const ALL: [Kind; 5] = [Kind::Guest, Kind::Node, Kind::Storage, Kind::Pbs, Kind::Datastore];

    /// The figures of this kind; a figure's place in this list is its column on disk: only ever append.
    pub fn metrics(self) -> &'static [Metric] {
        use Metric::*;
        match self {
            Kind::Guest => &[Cpu, Memory, Disk, DiskRead, DiskWrite, NetIn, NetOut],
            Kind::Node => &[Cpu, Memory, Disk],
            Kind::Storage | Kind::Datastore => &[Usage, Used, Total, Avail],
            Kind::Pbs => &[Cpu, Memory],
        }
    }
    /// The letter that stands for the kind in the names file.
    pub fn letter(self) -> u8 {
        match self {
            Kind::Guest => b'g',
            Kind::Node => b'n',
            Kind::Storage => b's',
            Kind::Pbs => b'p',
            Kind::Datastore => b'd',
        }
    }
    pub fn from_letter(letter: u8) -> Option<Kind> {
        Kind::ALL.into_iter().find(|k| k.letter() == letter)
    }
    /// Its place in [`Kind::ALL`].
    pub fn index(self) -> usize {
        self as usize
    }
}

impl Metric {
    pub const ALL: [Metric; 11] = [
        Metric::Cpu,
        Metric::Memory,
        Metric::Disk,
        Metric::DiskRead,
        Metric::DiskWrite,
        Metric::NetIn,
        Metric::NetOut,
        Metric::Usage,
        Metric::Used,
        Metric::Total,
        Metric::Avail,
    ];

    /// The key of the series on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Metric::Cpu => "cpu",
            Metric::Memory => "memory",
            Metric::Disk => "disk",
            Metric::DiskRead => "diskread",
            Metric::DiskWrite => "diskwrite",
            Metric::NetIn => "netin",
            Metric::NetOut => "netout",
            Metric::Usage => "usage",
            Metric::Used => "used",
            Metric::Total => "total",
            Metric::Avail => "avail",
        }
    }
    pub fn from_name(name: &str) -> Option<Metric> {
        Metric::ALL.into_iter().find(|m| m.name() == name)
    }
    pub fn codec(self) -> Codec {
        match self {
            Metric::Cpu | Metric::Memory | Metric::Disk | Metric::Usage => Codec::Percent,
            Metric::DiskRead | Metric::DiskWrite | Metric::NetIn | Metric::NetOut => Codec::Rate,
            Metric::Used | Metric::Total | Metric::Avail => Codec::Amount,
        }
    }
}

impl Codec {
    /// Whether codes fit 16 bits.
    pub fn narrow(self) -> bool {
        !matches!(self, Codec::Amount)
    }
    /// The code of a figure; what is not a number is a gap, what lies outside is moved to the edge.
    pub fn encode(self, value: f64) -> u32 {
        if !value.is_finite() {
            return GAP;
        }
        match self {
            Codec::Percent => (value.clamp(0.0, 100.0) * PERCENT_STEPS).round() as u32,
            Codec::Rate => short_float(value, RATE_BITS).min(MOST_NARROW),
            Codec::Amount => short_float(value, AMOUNT_BITS).min(GAP - 1),
        }
    }
    /// The figure of a code; `None` for a gap.
    pub fn decode(self, code: u32) -> Option<f64> {
        if code == GAP {
            return None;
        }
        Some(match self {
            Codec::Percent => (f64::from(code) / PERCENT_STEPS).min(100.0),
            Codec::Rate => long_float(code, RATE_BITS),
            Codec::Amount => long_float(code, AMOUNT_BITS),
        })
    }
}

/// A float without sign of `bits` digits after the leading one: whole numbers below `2^bits` are their own code,
/// above the code is `exponent << bits | digits`, which grows with the number.
fn short_float(value: f64, bits: u32) -> u32 {
    let whole = value.clamp(0.0, 9.0e18).round() as u64;
    let length = u64::BITS - whole.leading_zeros();
    if length <= bits {
        return whole as u32;
    }
    let shift = length - bits - 1;
    // Rounding may carry into the next exponent; the addition below does exactly that.
    let half = if shift > 0 { 1u64 << (shift - 1) } else { 0 };
    let digits = ((whole + half) >> shift) - (1u64 << bits);
    let code = (u64::from(shift + 1) << bits) + digits;
    u32::try_from(code).unwrap_or(GAP - 1)
}

fn long_float(code: u32, bits: u32) -> f64 {
    let exponent = code >> bits;
    let digits = code & ((1 << bits) - 1);
    if exponent == 0 {
        return f64::from(digits);
    }
    let shift = i32::try_from(exponent - 1).unwrap_or(0);
    f64::from(digits + (1 << bits)) * 2f64.powi(shift)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_gives_its_figure_back_within_the_promised_error() {
        for (codec, most, error) in [(Codec::Rate, 4e12, 2.5e-4), (Codec::Amount, 1e17, 1e-8)] {
            let mut value = 1.0;
            while value < most {
                let back = codec.decode(codec.encode(value)).unwrap();
                assert!((back - value.round()).abs() <= value * error, "{codec:?} {value} came back as {back}");
                value *= 1.37;
            }
            assert_eq!(codec.decode(codec.encode(0.0)), Some(0.0));
        }
        for value in [0.0, 0.3, 12.5, 99.99, 100.0] {
            assert!((Codec::Percent.decode(Codec::Percent.encode(value)).unwrap() - value).abs() < 0.001);
        }
    }

    #[test]
    fn codes_grow_with_their_figures_also_over_a_carry() {
        for codec in [Codec::Rate, Codec::Amount] {
            let mut last = 0;
            for step in 0..4000u32 {
                let code = codec.encode(1.01f64.powi(step as i32 % 3300));
                if step % 3300 != 0 {
                    assert!(code >= last);
                }
                last = code;
            }
        }
        assert_eq!(Codec::Rate.encode(4095.9), Codec::Rate.encode(4096.0));
    }

    #[test]
    fn what_is_no_number_is_a_gap_and_what_is_too_large_is_the_largest() {
        assert_eq!(Codec::Rate.encode(f64::NAN), GAP);
        assert_eq!(Codec::Percent.encode(f64::INFINITY), GAP);
        assert_eq!(Codec::Rate.decode(GAP), None);
        assert!(Codec::Rate.encode(1e300) <= MOST_NARROW);
        assert_eq!(Codec::Percent.encode(-3.0), 0);
    }
}
