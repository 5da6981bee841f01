using System.Reflection;

namespace Microsoft.ML.LoraInit.Tests.Packaging;

/// <summary>How these tests were built, and from where.</summary>
internal static class BuildSettings
{
    /// <summary>A property of the build that the project file hands on.</summary>
    public static string Get(string name) =>
        typeof(BuildSettings).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>().Single(a => a.Key == name).Value
            ?? throw new InvalidOperationException($"The build left {name} empty.");

    /// <summary>A path in the source tree.</summary>
    public static string Source(params string[] parts) => Path.Combine([Root(), .. parts]);

    private static string Root()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
            if (File.Exists(Path.Combine(folder.FullName, "LoraInit.MLNet.sln")))
                return folder.FullName;
        throw new DirectoryNotFoundException($"No folder above '{AppContext.BaseDirectory}' has LoraInit.MLNet.sln.");
    }
}
