import Configuration
import Foundation
import Training

/// `sweep --slurm`: a job array with one task per run, for `sbatch`.
struct SlurmScript {
  let sweep: SweepConfig
  /// The config's path, as given.
  let config: String
  /// `--set`, `--output-dir`, `--database` and `--quiet`, as given.
  let flags: [String]
  /// `--threads`: the processors of a run.
  let threads: Int?
  /// `--jobs`: runs at the same time.
  let jobs: Int?
  /// The directory that relative paths of the config start from.
  var directory = FileManager.default.currentDirectoryPath
  var program = SweepRunner.program

  /// Seconds that a run gets for its checkpoint at the end of its time. Slurm may send the signal a minute earlier.
  private static let notice = 300

  /// Slurm's default limit of the numbers in an array.
  private static let largestArray = 1001

  /// A note for the user; nil if there is none.
  var notice: String? {
    guard sweep.members.count > Self.largestArray else { return nil }
    return "Slurm's usual limit is \(Self.largestArray) tasks per array, and this one has \(sweep.members.count); "
      + "if yours refuses it, start jobs that run sweep --worker"
  }

  /// The script. Standard output and error go where Slurm puts them: `slurm-JOB_TASK.out`.
  var text: String {
    let count = sweep.members.count
    let atOnce = jobs.map { "%\($0)" } ?? ""
    let processors =
      threads.map { "#SBATCH --cpus-per-task=\($0)" }
      ?? "##SBATCH --cpus-per-task=8         # edit: processors of a run (or: sweep --slurm --threads 8)"
    let collect = command(["--collect"])
    return """
      #!/bin/bash
      # \(count == 1 ? "1 run" : "\(count) runs") of the sweep \(Self.plain(sweep.name)), made by swift-peft \
      \(ProductVersion.current). Submit this file, and a job that gathers the results:
      #
      #   job=$(sbatch --parsable FILE)
      #   sbatch --dependency=afterany:$job --wrap \(Self.quoted("cd \(Self.quoted(directory)) && \(collect)"))
      #
      # To go on after a stop, submit it again: complete runs end at once, others go on from their last checkpoint.
      #SBATCH --job-name=\(Self.plain(sweep.name))
      #SBATCH --array=0-\(count - 1)\(atOnce)
      #SBATCH --ntasks=1
      \(processors)
      ##SBATCH --mem=4G                  # edit: memory of a run (sweep --dry-run estimates it)
      ##SBATCH --time=24:00:00           # edit: its time limit
      # A run that gets SIGUSR1 writes a checkpoint and ends with status 138: before its time is up, and after
      # scancel --signal=USR1 JOB.
      #SBATCH --signal=USR1@\(Self.notice)
      # Slurm starts it again if its machine fails or if it must make room.
      #SBATCH --requeue

      cd \(Self.quoted(directory)) || exit 66
      threads=${SLURM_CPUS_PER_TASK:-${SLURM_CPUS_ON_NODE:-1}}
      srun --ntasks=1 --cpus-per-task="$threads" \(command([])) \\
        --only "$SLURM_ARRAY_TASK_ID" --threads "$threads"
      status=$?
      # Stopped because its time is up, it goes on in a new allocation. Without a limit there is no such time.
      if [ "$status" -eq 138 ] && end=$(squeue --noheader --jobs="$SLURM_JOB_ID" --format=%e) &&
        end=$(date --date="$end" +%s 2>/dev/null) && [ $((end - $(date +%s))) -le \(Self.notice + 60) ]; then
        scontrol requeue "$SLURM_JOB_ID"
      fi
      exit "$status"

      """
  }

  /// The sweep's command line with `more` flags.
  private func command(_ more: [String]) -> String {
    let path = URL(fileURLWithPath: config, relativeTo: URL(fileURLWithPath: directory, isDirectory: true))
      .standardizedFileURL.path
    return ([program, "sweep", path] + more + flags).map(Self.quoted).joined(separator: " ")
  }

  /// One word for a shell.
  static func quoted(_ text: String) -> String {
    let needsNone = text.unicodeScalars.allSatisfy { isPlain($0) || "/:=,@%".unicodeScalars.contains($0) }
    return needsNone && !text.isEmpty ? text : "'" + text.replacing("'", with: "'\\''") + "'"
  }

  /// A name in which other characters than letters, digits and `.+-_` are replaced.
  private static func plain(_ name: String) -> String {
    String(String.UnicodeScalarView(name.unicodeScalars.map { isPlain($0) ? $0 : "-" }))
  }

  private static func isPlain(_ scalar: Unicode.Scalar) -> Bool {
    let isWord = scalar.isASCII && (scalar.properties.isAlphabetic || scalar.properties.numericType != nil)
    return isWord || ".+-_".unicodeScalars.contains(scalar)
  }
}
