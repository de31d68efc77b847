"""What Penstock uses of kfp that kfp does not document: its modules' privates, and functions that Penstock replaces.

Nothing else in Penstock imports these (tests/penstock/kfp_adapter/test_private.py); what `kfp`, `kfp.dsl`, `kfp.compiler`, `kfp.components`,
`kfp.client`, `kfp.local` and `kfp.kubernetes` export is imported from there. A difference between kfp's versions is dealt with here and nowhere else.

Its modules are imported by name, since each needs another part of kfp: `lazy_import` (importing kfp quickly), `dsl`, `pipeline_spec` (compiled files),
`compiler`, `client` (Kubeflow's API), `kubernetes` (platform documents), `versions`, `orchestrator` (kfp.local, from kfp 2.17 on) and
`patch_point`. Each thing in them says why it is here: with the issue upstream, where one is known, and the test that fails when it can go.
"""
