//! The text exposition read back into samples. Pages are made once on the owner's thread, as bytes that all senders
//! share; each sender turns them into its receiver's format on its own thread.

use super::Batch;

/// One sample of a page.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample<'a> {
    pub name: &'a str,
    /// Label values still with their escapes.
    labels: &'a str,
    pub value: f64,
}

/// All samples of a page; lines that are none are passed over.
pub fn samples(page: &[u8]) -> impl Iterator<Item = Sample<'_>> {
    page.split(|b| *b == b'\n').filter_map(|line| sample(std::str::from_utf8(line).ok()?))
}

fn sample(line: &str) -> Option<Sample<'_>> {
    if line.starts_with('#') {
        return None;
    }
    let (series, value) = line.rsplit_once(' ')?;
    let (name, labels) = match series.split_once('{') {
        Some((name, labels)) => (name, labels.strip_suffix('}')?),
        None => (series, ""),
    };
    Some(Sample { name, labels, value: value.parse().ok()? })
}

impl Sample<'_> {
    /// The labels of the sample and those of its batch and page, sorted by name; a name stands once and the first of
    /// `added` loses to the sample's own.
    pub fn labels(&self, added: &[(String, String)]) -> Vec<(String, String)> {
        let mut all: Vec<(String, String)> = Vec::new();
        let mut rest = self.labels;
        while let Some((name, tail)) = rest.split_once("=\"") {
            let (value, used) = unescaped(tail);
            all.push((name.to_owned(), value));
            rest = tail.get(used..).unwrap_or_default().trim_start_matches(',');
        }
        for (name, value) in added {
            if !all.iter().any(|(n, _)| n == name) {
                all.push((name.clone(), value.clone()));
            }
        }
        crate::order::sort(&mut all);
        all
    }
}

/// A value up to its closing quote, and how many bytes it took with the quote.
fn unescaped(text: &str) -> (String, usize) {
    let mut out = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return (out, at + 1),
            '\\' => match chars.next() {
                Some((_, 'n')) => out.push('\n'),
                Some((_, c)) => out.push(c),
                None => {}
            },
            c => out.push(c),
        }
    }
    (out, text.len())
}

/// Takes a sample and its labels.
pub type Take<'a> = &'a mut dyn FnMut(&Sample, &[(String, String)]);

/// Each sample of a batch with its labels, those of the page and those of the receiver.
pub fn each(batch: &Batch, receiver: &[(String, String)], take: Take) {
    for page in &batch.pages {
        let mut added = vec![("job".to_owned(), "pulse".to_owned()), ("instance".to_owned(), page.instance.clone())];
        added.retain(|(name, _)| !receiver.iter().any(|(n, _)| n == name));
        added.extend_from_slice(receiver);
        for sample in samples(&page.text) {
            take(&sample, &sample.labels(&added));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_labels_come_back_as_they_were() {
        let page = b"# HELP a b\na{id=\"x\\\"y\\\\z\\n,k=\\\"v\\\"\",b=\"\"} 1.5\nplain 2\nbroken\n{} x\n";
        let all: Vec<Sample> = samples(page).collect();
        assert_eq!(all.len(), 2);
        let added = [("id".to_owned(), "other".to_owned()), ("a".to_owned(), "1".to_owned())];
        let labels = all[0].labels(&added);
        let pairs: Vec<(&str, &str)> = labels.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        assert_eq!(pairs, [("a", "1"), ("b", ""), ("id", "x\"y\\z\n,k=\"v\"")]);
        assert_eq!((all[1].name, all[1].value, all[1].labels(&[]).len()), ("plain", 2.0, 0));
    }
}
