"""The slash commands of the chat, a module for each group; `all` joins them."""
