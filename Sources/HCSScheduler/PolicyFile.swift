import Foundation
import HCSModel
package import HCSPlacement
import HCSSystem

/// `scheduler.yaml` of the configuration directory.
package enum PolicyFile {
    static let name = "scheduler.yaml"

    /// The default policy where there is no file; one that cannot be used ends the start.
    package static func load(directory: String) throws(SchedulerError) -> (policy: QueuePolicy, path: String?) {
        let path = directory + "/" + name
        guard FileManager.default.fileExists(atPath: path) else { return (QueuePolicy(), nil) }
        let text: String
        do {
            text = String(decoding: try SmallFile.read(path, limit: QueuePolicy.fileLimit), as: UTF8.self)
        } catch { throw SchedulerError(.configuration, "cannot read \(path): \(error)") }
        do throws(ModelError) { return (try QueuePolicy(yaml: text, name: path), path) } catch {
            throw SchedulerError(.configuration, error.message)
        }
    }
}
