"""The asyncio shell of one plane: notices and deadlines, brought to the connections that they are for."""
