//! Documents about what serves, made when they are first asked for and kept until something else serves.

use std::{collections::BTreeMap, sync::Arc};

use crate::policy::Serving;

/// By name, of what serves now.
#[derive(Default)]
pub struct Documents(parking_lot::Mutex<MadeOf>);

#[derive(Default)]
struct MadeOf {
    serving: Option<Arc<Serving>>,
    by_name: BTreeMap<String, Arc<Document>>,
}

/// A document as it is sent.
pub struct Document {
    /// Of its content, as an ETag.
    pub tag: String,
    pub body: Vec<u8>,
}

impl Documents {
    /// The document of this name about `serving`. There are as many names as surfaces, and one.
    pub fn of(&self, serving: &Arc<Serving>, name: &str, make: impl FnOnce() -> (String, Vec<u8>)) -> Arc<Document> {
        let mut made = self.0.lock();
        if !made.serving.as_ref().is_some_and(|known| Arc::ptr_eq(known, serving)) {
            *made = MadeOf { serving: Some(Arc::clone(serving)), by_name: BTreeMap::new() };
        }
        let new = || {
            let (tag, body) = make();
            Arc::new(Document { tag, body })
        };
        Arc::clone(made.by_name.entry(name.to_owned()).or_insert_with(new))
    }
}
