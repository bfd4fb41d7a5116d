"""What several test files share: small data sets, dataset folders, finished trains, studies."""
