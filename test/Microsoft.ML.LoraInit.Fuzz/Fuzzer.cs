using System.Diagnostics;

namespace Microsoft.ML.LoraInit.Fuzz;

/// <summary>Mutates a format's files by a seed, lets the library read them, and watches errors, time, memory, files and handles.</summary>
/// <param name="format">What is read.</param>
/// <param name="work">Where the files are written.</param>
/// <param name="seed">Decides the mutants.</param>
/// <param name="tell">Whether each refusal is printed.</param>
internal sealed class Fuzzer(FuzzFormat format, string work, int seed, bool tell)
{
    private const double MostSeconds = 10;
    private const long MostBytes = 512L << 20;
    private const int MostHandles = 16;
    private const int LookEvery = 64;

    private readonly FuzzReport _report = new(format.Name);
    private readonly string _folder = Path.Combine(work, format.Name);

    /// <param name="inputs">How many mutants.</param>
    /// <param name="only">The number of the one to run, or null for all.</param>
    public FuzzReport Run(int inputs, int? only)
    {
        Right();
        var (handles, resident) = (Handles(), Environment.WorkingSet);
        for (int i = only ?? 0; i < (only + 1 ?? inputs); i++)
        {
            One(i);
            if (i % LookEvery == 0)
            {
                if (Environment.WorkingSet - resident > MostBytes)
                    _report.Failures.Add($"input {i}: the process has grown by {(Environment.WorkingSet - resident) >> 20} MB");
                resident = Math.Max(resident, Environment.WorkingSet);
            }
        }
        GC.Collect();
        GC.WaitForPendingFinalizers();
        if (Handles() > handles + MostHandles)
            _report.Failures.Add($"{Handles()} handles are open after the inputs, {handles} were before");
        if (Directory.Exists(_folder))
            Directory.Delete(_folder, recursive: true);
        return _report;
    }

    // Else everything would be refused and nothing be tested.
    private void Right()
    {
        foreach (var parts in format.Seeds)
        {
            Write(format.Pack(parts));
            if (!format.Read(_folder))
                throw new InvalidOperationException($"{format.Name}: a right file gives numbers that are not finite.");
        }
    }

    private void One(int number)
    {
        var random = new SeededRandom(SeededRandom.Hash(seed, $"{format.Name} {number}"));
        var parts = format.Seeds[random.Next(format.Seeds.Count)];
        // Half of them with right lengths and checksums over wrong content, the others spoilt from outside.
        var files = random.Next(2) == 0
            ? format.Pack(Mutator.Mutate(parts, random, format.Seeds))
            : Mutator.Mutate(format.Pack(parts), random, format.Seeds);
        var names = Write(files);
        var (started, used, allocated) = (Stopwatch.GetTimestamp(), Environment.CpuUsage.TotalTime, GC.GetTotalAllocatedBytes());
        try
        {
            if (format.Read(_folder))
                _report.Accept();
            else
                _report.Failures.Add($"input {number}: accepted, and its scores are not finite");
        }
        catch (Exception e) when (e is InvalidDataException || format.Refusals.Contains(e.GetType()))
        {
            _report.Refuse(e);
            if (tell)
                Console.WriteLine($"{format.Name} {number}: {e.GetType().Name}: {e.Message}");
        }
        catch (Exception e)
        {
            _report.Failures.Add($"input {number}: {e.GetType().Name}: {e.Message.Split('\n')[0]} {e.StackTrace?.Split('\n').FirstOrDefault(l => l.Contains("LoraInit", StringComparison.Ordinal))?.Trim()}");
        }
        // Without the time in which a busy machine ran other processes.
        double passed = Stopwatch.GetElapsedTime(started).TotalSeconds, seconds = Math.Min(passed, (Environment.CpuUsage.TotalTime - used).TotalSeconds);
        long bytes = GC.GetTotalAllocatedBytes() - allocated;
        _report.Done(seconds, bytes);
        if (seconds > MostSeconds)
            _report.Failures.Add($"input {number}: took {seconds:F1} s");
        if (bytes > MostBytes)
            _report.Failures.Add($"input {number}: allocated {bytes >> 20} MB");
        var left = Directory.EnumerateFileSystemEntries(_folder, "*", SearchOption.AllDirectories).Where(File.Exists).Select(p => Path.GetRelativePath(_folder, p)).Except(names).Except(format.Leaves)
            .Concat(Directory.EnumerateFileSystemEntries(Path.GetTempPath()).Where(p => !p.StartsWith(work, StringComparison.Ordinal))).ToArray();
        if (left.Length > 0)
        {
            _report.Failures.Add($"input {number}: left {string.Join(", ", left)}");
            foreach (var path in left.Where(Path.IsPathRooted))
                if (Directory.Exists(path))
                    Directory.Delete(path, recursive: true);
                else
                    File.Delete(path);
        }
    }

    private string[] Write(IReadOnlyDictionary<string, byte[]> files)
    {
        if (Directory.Exists(_folder))
            Directory.Delete(_folder, recursive: true);
        foreach (var (name, content) in files)
        {
            var path = Path.Combine(_folder, name);
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            File.WriteAllBytes(path, content);
        }
        return [.. files.Keys];
    }

    private static int Handles()
    {
        using var process = Process.GetCurrentProcess();
        return process.HandleCount;
    }
}
