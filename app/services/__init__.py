"""The use cases. Each function reads as a business document; none knows GraphQL or HTTP."""
