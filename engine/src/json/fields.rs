//! The fields of a document, for signatures that cover some of them.

use super::{Document, Kind};
use postrider_signature::Fields;
use std::borrow::Cow;

impl Fields for Document<'_> {
    fn text(&self, pointer: &str) -> Option<Cow<'_, str>> {
        let value = self.pointer(pointer)?;
        match value.kind() {
            Kind::Text => value.text(),
            Kind::Number => value.number().map(Cow::Borrowed),
            Kind::Bool(true) => Some(Cow::Borrowed("true")),
            Kind::Bool(false) => Some(Cow::Borrowed("false")),
            Kind::Null | Kind::Array | Kind::Object | Kind::Word => None,
        }
    }

    fn length(&self, pointer: &str) -> Option<usize> {
        let value = self.pointer(pointer)?;
        (value.kind() == Kind::Array).then(|| value.elements().count())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_texts_numbers_and_truth_values() {
        let json = br#"{"a": [{"b": "caf\u00e9"}, 1.50, true, null], "c": {}}"#;
        let document = Document::read(json).unwrap();
        let fields: &dyn Fields = &document;
        assert_eq!(fields.text("/a/0/b").as_deref(), Some("caf\u{e9}"));
        assert_eq!(fields.text("/a/1").as_deref(), Some("1.50"));
        assert_eq!(fields.text("/a/2").as_deref(), Some("true"));
        for none in ["/a/3", "/a", "/c", "/d"] {
            assert_eq!(fields.text(none), None, "{none}");
        }
        assert_eq!(fields.length("/a"), Some(4));
        assert_eq!(fields.length("/c"), None);
        assert_eq!(fields.length("/d"), None);
    }
}
