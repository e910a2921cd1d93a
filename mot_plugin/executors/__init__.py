"""How the steps that have to run get to run. Placement and queueing are a resource manager's; one module, one function each."""
