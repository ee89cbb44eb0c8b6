//! What every change of the API has: who asked for it, and the planner's numbers for what is new.

use causeway_model::Problem;

use crate::api::{Refused, Request};
use crate::identity::Principal;
use crate::store::Audit;
use crate::world::Draft;

/// Who asked for what.
pub fn audit(request: &Request, principal: &Principal) -> Audit {
    Audit {
        who: principal.client_id.clone(),
        action: request.method.clone(),
        scope: request.path.clone(),
        request: request.id.clone(),
    }
}

/// Gives out the numbers that the draft needs; a full space refuses the change.
pub fn allocate(draft: &mut Draft) -> Result<(), Refused> {
    match causeway_plan::allocate(&draft.world.snapshot) {
        Ok(allocations) => {
            draft.put_allocations(allocations);
            Ok(())
        }
        Err(problems) => Err(Refused::problems(
            problems
                .into_iter()
                .map(|problem| Problem::conflict(&problem.code, &problem.target, problem.message))
                .collect(),
        )),
    }
}
