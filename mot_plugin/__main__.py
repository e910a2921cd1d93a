"""`python -m mot_plugin`: how a run starts its own steps, whatever PATH says."""

from mot_plugin.cli import main

main()
