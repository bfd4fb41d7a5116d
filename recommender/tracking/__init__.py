"""Results in MLflow: runs, metrics, models, saved chart views. Nothing else imports mlflow but the served model."""
