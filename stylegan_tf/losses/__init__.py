"""What the networks minimise: adversarial losses and the critic's regularisers."""
