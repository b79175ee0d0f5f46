//! The collection: made if it is not there, refused if its vectors are not the catalogue's.

use qdrant_client::{
    Qdrant,
    qdrant::{
        CollectionInfo, CreateCollectionBuilder, Distance, VectorParamsBuilder, VectorParamsMap, VectorsConfig, VectorsConfigBuilder,
        vectors_config,
    },
};

use super::{SearchError, link::told, point};

/// Makes the collection unless it is there, and checks it. Errors: it has other vectors, or Qdrant cannot be asked.
pub(super) async fn ensure(client: &Qdrant, name: &str, dimension: usize) -> Result<(), SearchError> {
    let info = match info(client, name).await {
        Err(SearchError::NoCollection) => {
            let made = client.create_collection(CreateCollectionBuilder::new(name).vectors_config(wanted(dimension))).await;
            match info(client, name).await {
                // Another server may have been faster.
                Ok(info) => info,
                Err(error) => return Err(made.err().map_or(error, |why| told(&why))),
            }
        }
        other => other?,
    };
    match fault(&info, name, dimension) {
        None => Ok(()),
        Some(fault) => Err(SearchError::Refused(fault)),
    }
}

/// Errors: there is none of that name, or Qdrant cannot be asked.
pub(super) async fn info(client: &Qdrant, name: &str) -> Result<CollectionInfo, SearchError> {
    let answer = client.collection_info(name).await.map_err(|error| told(&error))?;
    answer.result.ok_or(SearchError::NoCollection)
}

fn wanted(dimension: usize) -> VectorsConfigBuilder {
    let mut vectors = VectorsConfigBuilder::default();
    for space in point::SPACES {
        vectors.add_named_vector_params(point::name(space), VectorParamsBuilder::new(dimension as u64, Distance::Cosine));
    }
    vectors
}

/// What is wrong with a collection for embeddings of `dimension` numbers.
pub(super) fn fault(info: &CollectionInfo, name: &str, dimension: usize) -> Option<String> {
    let config = info.config.as_ref().and_then(|config| config.params.as_ref()?.vectors_config.as_ref());
    let empty = VectorParamsMap::default();
    let map = match config {
        Some(VectorsConfig { config: Some(vectors_config::Config::ParamsMap(map)) }) => map,
        _ => &empty,
    };
    let fix = "name another collection, or delete this one";
    point::SPACES.iter().find_map(|space| {
        let vector = point::name(*space);
        let Some(params) = map.map.get(vector) else {
            return Some(format!("collection `{name}` has no vectors named `{vector}`: it is not this server's; {fix}"));
        };
        if params.size != dimension as u64 {
            let found = params.size;
            return Some(format!("collection `{name}` has vectors of {found} numbers; catalogue.dimension is {dimension}: {fix}"));
        }
        (params.distance() != Distance::Cosine)
            .then(|| format!("collection `{name}` compares `{vector}` by another distance than cosine: {fix}"))
    })
}
