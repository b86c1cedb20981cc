import ArgumentParser
import Foundation
import HCSAPI

/// Tables for people, the API's own JSON for programs.
struct OutputOptions: ParsableArguments {
    enum Format: String, CaseIterable, ExpressibleByArgument { case table, json }

    @Option(name: [.long, .customShort("o")], help: "How to print: table for people, json for programs.")
    var output = Format.table

    @Flag(name: .long, help: "Same as --output json.")
    var json = false

    var isJSON: Bool { json || output == .json }

    /// Prints `value` as JSON, or what `table` makes of it.
    func show<Value: Encodable>(_ value: Value, table: (Value, Style) -> String) throws {
        print(
            isJSON
                ? String(decoding: try HCSJSON.encode(value, pretty: true), as: UTF8.self)
                : table(value, Style.current))
    }
}
