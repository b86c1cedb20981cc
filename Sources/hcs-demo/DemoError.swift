/// Why the demo cannot go on: what was attempted and what to look at.
struct DemoError: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}
