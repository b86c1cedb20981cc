import Glibc
import HCSSystem

/// Text to the terminal, unbuffered. A reader that went away (`| head`) is no failure.
enum Output {
    static func standardOutput(_ text: String) throws(SystemError) { try write(text, to: STDOUT_FILENO) }
    static func standardError(_ text: String) throws(SystemError) { try write(text, to: STDERR_FILENO) }

    private static func write(_ text: String, to number: Int32) throws(SystemError) {
        let bytes = Array(text.utf8)
        var done = 0
        while done < bytes.count {
            let count = bytes.withUnsafeBytes { raw in
                retrying { Glibc.write(number, raw.baseAddress.map { $0 + done }, raw.count - done) }
            }
            if count < 0, errno == EPIPE { return }
            guard count > 0 else { throw .failed("write to the terminal", errno: errno) }
            done += count
        }
    }
}
