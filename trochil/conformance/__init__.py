"""What every adapter must do, case by case: ``pytest --pyargs trochil.conformance -k NAME`` runs it for one venue."""
