//! A family of resources: what one type of the API can do. The registry in [`super::registry`] lists them all.
//!
//! A family parses a body into the model, puts it into the draft, and renders the model as JSON. What all of them share
//! (paths, sign-in, api-version, etags, operations, headers) is in [`super::resources`].

use std::collections::BTreeMap;

use causeway_model::{Change, Problem, Refusal, ResourceId};
use serde_json::Value;

use super::reader::Reader;
use super::refused::Refused;
use crate::identity::Principal;
use crate::nodes::Nodes;
use crate::world::{Draft, World};

/// What a call is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The subscription's GUID, lower case.
    pub subscription: String,
    /// The resource group, as the client wrote it; none in a list over all groups.
    pub group: Option<String>,
    /// `Microsoft.Network`.
    pub namespace: &'static str,
    /// The type, outermost first, in canonical spelling.
    pub types: &'static [&'static str],
    /// The names, one for each type, or one fewer when the call is about the list.
    pub names: Vec<String>,
    /// What follows: an action or a view and its arguments.
    pub tail: Vec<String>,
}

impl Target {
    /// The type as it is shown: `Microsoft.Network/expressRouteCircuits/peerings`.
    pub fn kind(&self) -> String {
        format!("{}/{}", self.namespace, self.types.join("/"))
    }

    /// The id of the first `depth` levels.
    pub fn id_at(&self, depth: usize) -> ResourceId {
        let group = self.group.as_deref().unwrap_or("");
        let mut id =
            format!("/subscriptions/{}/resourceGroups/{group}/providers/{}", self.subscription, self.namespace);
        for (kind, name) in self.types.iter().zip(&self.names).take(depth) {
            id.push_str(&format!("/{kind}/{name}"));
        }
        ResourceId::new(id)
    }

    /// The id of what the call is about.
    pub fn id(&self) -> ResourceId {
        self.id_at(self.names.len())
    }

    /// The id of the outermost resource.
    pub fn root(&self) -> ResourceId {
        self.id_at(1)
    }

    /// The name at a level, outermost first.
    pub fn name(&self, level: usize) -> &str {
        self.names.get(level).map_or("", String::as_str)
    }

    /// The group's name, empty in a list over all groups.
    pub fn group_name(&self) -> &str {
        self.group.as_deref().unwrap_or("")
    }

    /// 404, worded as the level wants it.
    pub fn not_found(&self) -> Refused {
        if self.names.len() == 1 {
            Refused::resource_not_found(&self.kind(), self.name(0), self.group_name())
        } else {
            Refused::child_not_found(self.id().as_str())
        }
    }

    /// 404 of the outermost resource.
    pub fn root_not_found(&self) -> Refused {
        let kind = format!("{}/{}", self.namespace, self.types[0]);
        Refused::resource_not_found(&kind, self.name(0), self.group_name())
    }

    /// 404 of the parent of what would be put.
    pub fn parent_not_found(&self) -> Refused {
        let parent = self.id_at(self.names.len().saturating_sub(1));
        Refused::new(
            404,
            "ParentResourceNotFound",
            format!(
                "Can not perform requested operation on nested resource. Parent resource '{}' not found.",
                parent.name()
            ),
        )
    }

    /// Whether an id is in the list that the call asks for.
    pub fn lists(&self, id: &ResourceId) -> bool {
        id.subscription().is_some_and(|subscription| subscription.eq_ignore_ascii_case(&self.subscription))
            && self
                .group
                .as_deref()
                .is_none_or(|group| id.resource_group().is_some_and(|of| of.eq_ignore_ascii_case(group)))
    }
}

/// A call, as a family sees it.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// The world that it is about; while a draft is made, the world before it.
    pub world: &'a World,
    /// What nodes said.
    pub nodes: &'a Nodes,
    /// Who calls.
    pub principal: &'a Principal,
    /// What about.
    pub target: &'a Target,
    /// The query, names in lower case.
    pub query: &'a BTreeMap<String, String>,
}

/// A resource as it is shown.
#[derive(Clone, Debug, PartialEq)]
pub struct Shown {
    /// The body.
    pub body: Value,
    /// The revision that its etag is made of.
    pub revision: u64,
}

/// A draft was made of a PUT.
#[derive(Clone, Debug)]
pub struct Put {
    /// 201 and not 200.
    pub is_new: bool,
    /// The region that the operation is in.
    pub location: String,
    /// What the operation then fails with.
    pub fails_later: Option<Problem>,
    /// No operation; it is done when it is answered.
    pub is_synchronous: bool,
}

/// What kind of client may use a family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// The subscription's owner.
    Owner,
    /// Providers: in their own subscription, and wherever the resource is that they act for.
    Provider,
    /// Both.
    Anybody,
}

/// One type of resource. A method that is not written says 405.
pub trait Family: Send + Sync {
    /// `Microsoft.Network`.
    fn namespace(&self) -> &'static str {
        "Microsoft.Network"
    }
    /// The type, outermost first: `["expressRouteCircuits", "peerings"]`.
    fn types(&self) -> &'static [&'static str];
    /// Who may use it.
    fn audience(&self) -> Audience {
        Audience::Owner
    }
    /// The outermost resource that a change is of.
    fn root(&self, call: &Call<'_>) -> ResourceId {
        call.target.root()
    }
    /// One, as it is shown.
    fn get(&self, call: &Call<'_>) -> Result<Shown, Refused>;
    /// All that the target lists.
    fn list(&self, call: &Call<'_>) -> Result<Vec<Value>, Refused>;
    /// Makes it, or makes it like this.
    fn put(&self, call: &Call<'_>, _body: &Value, _draft: &mut Draft) -> Result<Put, Refused> {
        Err(Refused::method_not_allowed("PUT", &call.target.kind()))
    }
    /// Takes it away; the region of the operation, or none when it is not there.
    fn delete(&self, call: &Call<'_>, _draft: &mut Draft) -> Result<Option<String>, Refused> {
        Err(Refused::method_not_allowed("DELETE", &call.target.kind()))
    }
    /// Puts tags.
    fn patch(&self, call: &Call<'_>, _body: &Value, _draft: &mut Draft) -> Result<Put, Refused> {
        Err(Refused::method_not_allowed("PATCH", &call.target.kind()))
    }
    /// Performs the action in the target's tail; the result. `is_long` actions answer 202 first.
    fn act(&self, call: &Call<'_>, _body: &Value) -> Result<Acted, Refused> {
        Err(no_such_action(call))
    }
    /// Shows the view in the target's tail.
    fn view(&self, call: &Call<'_>) -> Result<Value, Refused> {
        Err(no_such_action(call))
    }
}

/// An action's result.
#[derive(Clone, Debug, PartialEq)]
pub struct Acted {
    /// The result.
    pub result: Value,
    /// The region of the operation, when it is answered by 202 first; none when the result is the answer.
    pub location: Option<String>,
}

/// 404 of an action or a view that the type does not have.
pub fn no_such_action(call: &Call<'_>) -> Refused {
    Refused::new(
        404,
        "InvalidResourceType",
        format!(
            "The resource type '{}/{}' could not be found in the namespace '{}'.",
            call.target.types.join("/"),
            call.target.tail.join("/"),
            call.target.namespace
        ),
    )
}

/// What reading a body found.
#[derive(Clone, Debug, Default)]
pub struct Found {
    problems: Vec<Problem>,
    blamed: Vec<String>,
}

impl From<Vec<Problem>> for Found {
    fn from(problems: Vec<Problem>) -> Self {
        Found { problems, blamed: vec![] }
    }
}

impl From<Reader<'_>> for Found {
    fn from(read: Reader<'_>) -> Self {
        Found { problems: read.problems, blamed: read.blamed.iter().map(|path| (*path).to_owned()).collect() }
    }
}

/// Asks the model whether a change may go ahead, and puts its problems beside those of reading the body. A field that
/// could not be read is not blamed a second time. What is left is the problem that the operation fails with later.
pub fn admit(draft: &Draft, found: impl Into<Found>, change: Option<&Change>) -> Result<Option<Problem>, Refused> {
    let Found { mut problems, mut blamed } = found.into();
    if let Some(change) = change {
        let admitted = causeway_model::admit(&draft.world.snapshot, change);
        blamed.extend(problems.iter().map(|problem| problem.target.clone()));
        problems.extend(admitted.into_iter().filter(|problem| !blamed.contains(&problem.target)));
    }
    let (later, now): (Vec<Problem>, Vec<Problem>) =
        problems.into_iter().partition(|problem| problem.refusal == Refusal::FailsLater);
    if now.is_empty() { Ok(later.into_iter().next()) } else { Err(Refused::problems(now)) }
}
