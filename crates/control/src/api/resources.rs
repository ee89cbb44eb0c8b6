//! What all families share: who may, which one, etags, operations, and the answers' forms.
//!
//! PUT 201 or 200 with `Azure-AsyncOperation`; DELETE 202 with that and `Location`; actions 202 with `Location` alone and
//! a body of `null`. Operations end by themselves (see `reconcile`), never because they are asked for.

use serde_json::{Value, json};

use super::access;
use super::answer::{Answer, etag};
use super::family::{Audience, Call, Family, Put, Shown, Target};
use super::operations::{self, RETRY_AFTER_S};
use super::refused::Refused;
use super::registry;
use super::request::{Request, is_name};
use crate::app::App;
use crate::change::{allocate, audit};
use crate::identity::{Principal, Role};
use crate::operation::OperationKind;
use crate::world::World;

/// The parts of a path that leads to a namespace.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The subscription.
    pub subscription: String,
    /// The resource group.
    pub group: Option<String>,
    /// `Microsoft.Network`, as the client wrote it.
    pub namespace: String,
    /// Types, names and what follows.
    pub rest: Vec<String>,
}

/// One call about a resource, a list, an action or a view.
pub async fn route(app: &App, request: &Request, principal: &Principal, asked: Asked) -> Result<Answer, Refused> {
    let version = request.query.get("api-version").map_or("", String::as_str);
    let Some((family, names, tail)) = registry::find(&asked.namespace, &asked.rest) else {
        let message = format!(
            "The resource type could not be found in the namespace '{}' for api version '{version}'.",
            asked.namespace
        );
        return Err(Refused::new(404, "InvalidResourceType", message));
    };
    let target = Target {
        subscription: asked.subscription,
        group: asked.group,
        namespace: family.namespace(),
        types: family.types(),
        names,
        tail,
    };
    let world = app.world();
    authorize(&world, request, principal, family, &target)?;
    let is_list = target.names.len() < target.types.len();
    let handler = Handler { app, request, principal, family, target: &target };
    match (request.method.as_str(), is_list, target.tail.is_empty()) {
        ("GET", true, true) => Ok(Answer::ok(json!({"value": family.list(&handler.call(&world))?}))),
        ("GET" | "HEAD", false, true) => Ok(handler.shown(family.get(&handler.call(&world))?)),
        ("PUT", false, true) => handler.put(false).await,
        ("PATCH", false, true) => handler.put(true).await,
        ("DELETE", false, true) => handler.delete().await,
        ("POST", false, false) => handler.act(&world),
        ("GET", false, false) => Ok(Answer::ok(family.view(&handler.call(&world))?)),
        (method, ..) => Err(Refused::method_not_allowed(method, &target.kind())),
    }
}

/// Who may use the family there, and whether the group is there.
fn authorize(
    world: &World,
    request: &Request,
    principal: &Principal,
    family: &dyn Family,
    target: &Target,
) -> Result<(), Refused> {
    let verb = match request.method.as_str() {
        "GET" | "HEAD" => "read",
        "DELETE" => "delete",
        "POST" => "action",
        _ => "write",
    };
    let action = format!("{}/{verb}", target.kind());
    let is_provider = matches!(principal.role, Role::Provider { .. });
    match family.audience() {
        Audience::Provider | Audience::Anybody if is_provider => access::exists(world, &target.subscription),
        Audience::Anybody => access::reader(world, principal, &target.subscription, &action, &request.path),
        // A provider is not told what customers have.
        Audience::Owner if is_provider => Err(if target.names.is_empty() {
            super::forbidden(principal, &action, &request.path)
        } else {
            target.not_found()
        }),
        Audience::Owner => {
            access::owner(world, principal, &target.subscription, &action, &request.path)?;
            group_exists(world, target)
        }
        // A customer has no cross connections.
        Audience::Provider => {
            access::owner(world, principal, &target.subscription, &action, &request.path)?;
            if target.names.is_empty() { Ok(()) } else { Err(target.not_found()) }
        }
    }
}

fn group_exists(world: &World, target: &Target) -> Result<(), Refused> {
    let Some(group) = &target.group else { return Ok(()) };
    let key = format!("/subscriptions/{}/resourcegroups/{}", target.subscription, group.to_ascii_lowercase());
    if world.snapshot.resource_groups.contains_key(&key) { Ok(()) } else { Err(Refused::group_not_found(group)) }
}

struct Handler<'a> {
    app: &'a App,
    request: &'a Request,
    principal: &'a Principal,
    family: &'a dyn Family,
    target: &'a Target,
}

impl Handler<'_> {
    fn call<'b>(&'b self, world: &'b World) -> Call<'b> {
        Call {
            world,
            nodes: &self.app.nodes,
            principal: self.principal,
            target: self.target,
            query: &self.request.query,
        }
    }

    fn shown(&self, shown: Shown) -> Answer {
        let answer = Answer::ok(shown.body);
        if shown.revision == 0 { answer } else { answer.header("etag", etag(shown.revision)) }
    }

    /// If-Match and If-None-Match against what is there (RPC, "ETags for resources").
    fn check_etag(&self, current: Option<&Shown>) -> Result<(), Refused> {
        let failed = |message: String| Err(Refused::new(412, "PreconditionFailed", message));
        let matches = |wanted: &str, shown: &Shown| {
            wanted.trim() == "*"
                || wanted
                    .split(',')
                    .any(|one| one.trim().trim_start_matches("W/") == etag(shown.revision).trim_start_matches("W/"))
        };
        if let Some(wanted) = self.request.header("if-match") {
            match (current, self.request.method.as_str()) {
                (Some(shown), _) if matches(wanted, shown) => {}
                (Some(_), _) => return failed(format!("If-Match is {wanted}, which is not the resource's etag.")),
                (None, "PUT") => return failed(format!("If-Match is {wanted}, but the resource is not there.")),
                (None, _) => {}
            }
        }
        if let Some(unwanted) = self.request.header("if-none-match")
            && current.is_some_and(|shown| matches(unwanted, shown))
        {
            return failed(format!("If-None-Match is {unwanted}, but the resource is there."));
        }
        Ok(())
    }

    fn current(&self, world: &World) -> Result<Option<Shown>, Refused> {
        match self.family.get(&self.call(world)) {
            Ok(shown) => Ok(Some(shown)),
            Err(refused) if refused.status == 404 => Ok(None),
            Err(refused) => Err(refused),
        }
    }

    /// What an operation is about, below the outermost resource.
    fn child(&self) -> Option<String> {
        let (kind, name) = (self.target.types.get(1)?, self.target.names.get(1)?);
        Some(format!("{}/{}", kind.to_ascii_lowercase(), name.to_ascii_lowercase()))
    }

    async fn put(&self, is_patch: bool) -> Result<Answer, Refused> {
        let body = self.request.object()?;
        let name = self.target.names.last().map_or("", String::as_str);
        if !is_name(name, 80) {
            let message = format!(
                "Resource name {name} is invalid. The name can be up to 80 characters long: letters, digits and any of -_.(), not ending with a period."
            );
            return Err(Refused::new(400, "InvalidResourceName", message));
        }
        let audit = audit(self.request, self.principal);
        let ((put, operation), world) = self
            .app
            .change(Some(audit), |draft| {
                let before = draft.world.clone();
                let call = self.call(&before);
                self.check_etag(self.current(&before)?.as_ref())?;
                let put = if is_patch {
                    self.family.patch(&call, &body, draft)?
                } else {
                    self.family.put(&call, &body, draft)?
                };
                allocate(draft)?;
                let operation = (!put.is_synchronous).then(|| {
                    let (root, problem) = (self.family.root(&call), put.fails_later.clone());
                    operations::begin(draft, self.principal, &root, self.child(), OperationKind::Put, problem)
                });
                Ok::<(Put, Option<String>), Refused>((put, operation))
            })
            .await?;
        self.app.bell.notify_one();
        let shown = self.family.get(&self.call(&world))?;
        let answer = self.shown(shown).status(if put.is_new { 201 } else { 200 });
        Ok(match operation {
            Some(id) => self.with_operation(answer, &put.location, &id),
            None => answer,
        })
    }

    async fn delete(&self) -> Result<Answer, Refused> {
        let audit = audit(self.request, self.principal);
        let (operation, _) = self
            .app
            .change(Some(audit), |draft| {
                let before = draft.world.clone();
                let call = self.call(&before);
                self.check_etag(self.current(&before)?.as_ref())?;
                let Some(location) = self.family.delete(&call, draft)? else { return Ok(None) };
                allocate(draft)?;
                let root = self.family.root(&call);
                let id = operations::begin(draft, self.principal, &root, self.child(), OperationKind::Delete, None);
                Ok::<_, Refused>(Some((location, id)))
            })
            .await?;
        let Some((location, id)) = operation else { return Ok(Answer::empty(204)) };
        self.app.bell.notify_one();
        let result = self.url(&location, &id, true);
        Ok(self.with_operation(Answer::empty(202), &location, &id).header("location", result))
    }

    fn act(&self, world: &World) -> Result<Answer, Refused> {
        let body = self.request.object()?;
        let acted = self.family.act(&self.call(world), &body)?;
        let Some(location) = acted.location else { return Ok(Answer::ok(acted.result)) };
        let id = self.app.results.keep(&self.principal.client_id, acted.result);
        Ok(Answer::ok(Value::Null)
            .status(202)
            .header("location", self.url(&location, &id, true))
            .header("retry-after", RETRY_AFTER_S))
    }

    fn url(&self, location: &str, id: &str, is_result: bool) -> String {
        operations::url(self.request, &self.target.subscription, self.target.namespace, location, id, is_result)
    }

    fn with_operation(&self, answer: Answer, location: &str, id: &str) -> Answer {
        let answer =
            answer.header("azure-asyncoperation", self.url(location, id, false)).header("retry-after", RETRY_AFTER_S);
        // Children have none, as the reference service has it.
        if self.target.types.len() == 1 { answer.header("azure-asyncnotification", "Enabled") } else { answer }
    }
}
