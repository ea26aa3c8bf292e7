"""What a release is judged by: figures of its slot, from several sources, and the judge."""
