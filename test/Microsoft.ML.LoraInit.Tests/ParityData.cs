using System.Reflection;

namespace Microsoft.ML.LoraInit.Tests;

/// <summary>
/// Where the reference numbers are: a subset beside the test assembly, and the full set in the folder that
/// LORAINIT_SHARED names (default: <c>../shared</c> from the repository's root).
/// </summary>
internal static class ParityData
{
    /// <summary>The test category of everything that compares with reference numbers.</summary>
    public const string Category = "Parity";

    /// <summary>The shared folder, or null where the machine has none.</summary>
    public static string? Shared { get; } = FindShared();

    /// <summary>The embedded subset's folder.</summary>
    public static string Embedded { get; } = Path.Combine(AppContext.BaseDirectory, "Data", "parity");

    /// <summary>For DynamicData: the parity folders of this machine, each as one argument.</summary>
    public static IEnumerable<object[]> Folders =>
        Shared is null ? [[Embedded]] : [[Embedded], [Path.Combine(Shared, "parity")]];

    /// <summary>For DynamicData: (folder, name) of each trajectory whose tensors are there.</summary>
    public static IEnumerable<object[]> Trajectories =>
        from folder in Folders
        from file in Directory.EnumerateFiles((string)folder[0], "train_*.safetensors").Order(StringComparer.Ordinal)
        select new[] { folder[0], Path.GetFileNameWithoutExtension(file)["train_".Length..] };

    /// <summary>A path in the shared folder; the test is inconclusive, with the reason, where the folder is absent.</summary>
    public static string RequireShared(string relativePath)
    {
        if (Shared is null)
            Assert.Inconclusive($"'{relativePath}' is in the shared folder, which this machine lacks (set LORAINIT_SHARED).");
        var path = Path.Combine(Shared!, relativePath);
        Assert.IsTrue(Path.Exists(path), $"The shared folder is there but lacks '{relativePath}'.");
        return path;
    }

    /// <summary>A readable name for a folder in test output.</summary>
    public static string DisplayName(MethodInfo method, object[] data) =>
        $"{method.Name} ({string.Join(", ", data.Select(d => (string)d == Embedded ? "embedded" : d))})";

    private static string? FindShared()
    {
        var configured = Environment.GetEnvironmentVariable("LORAINIT_SHARED");
        if (!string.IsNullOrEmpty(configured))
            return Directory.Exists(configured) ? Path.GetFullPath(configured) : throw new DirectoryNotFoundException($"LORAINIT_SHARED names '{configured}', which does not exist.");
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (!File.Exists(Path.Combine(folder.FullName, "LoraInit.MLNet.sln")))
                continue;
            var shared = Path.Combine(folder.Parent?.FullName ?? folder.FullName, "shared");
            return Directory.Exists(shared) ? shared : null;
        }
        return null;
    }
}
