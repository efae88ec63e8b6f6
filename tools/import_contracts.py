"""Import rules that import-linter has no type for."""

from typing import Any

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output


class SliceContract(Contract):
    """Children of `container` may import each other's modules named in `open_modules` and nothing else of each other.

    Which slice may know which is a layers contract's job; this one keeps what a slice does (service, store, jobs) to itself.
    """

    container: Any = fields.StringField()  # declared as a field, read as a string
    open_modules: Any = fields.ListField(subfield=fields.StringField())

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:  # noqa: FBT001 - the linter's signature
        """Look at every direct import between two slices."""
        del verbose
        faults = [
            (importer, imported)
            for importer in sorted(graph.find_descendants(self.container))
            for imported in sorted(graph.find_modules_directly_imported_by(importer))
            if self._reaches_in(importer, imported)
        ]
        return ContractCheck(kept=not faults, metadata={"faults": faults})

    def render_broken_contract(self, check: ContractCheck) -> None:
        """Name each import."""
        for importer, imported in check.metadata["faults"]:
            output.print_error(f"{importer} reaches into another slice: {imported}")

    def _reaches_in(self, importer: str, imported: str) -> bool:
        prefix = f"{self.container}."
        if not imported.startswith(prefix):
            return False
        own, other = importer.removeprefix(prefix).split(".")[0], imported.removeprefix(prefix).split(".")
        return own != other[0] and other[1:2] != [] and other[1] not in self.open_modules
