namespace Microsoft.ML.LoraInit.Samples.Output;

/// <summary>How this program is called, for hints that can be typed again.</summary>
internal static class ProgramName
{
    /// <summary><c>lorainit</c>; the way through its sources where it runs from their build.</summary>
    public static string Command { get; } = Of(AppContext.BaseDirectory);

    /// <param name="folder">The folder that the program lies in.</param>
    public static string Of(string folder)
    {
        var place = Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder));
        // src/Samples/bin/Debug/net10.0
        for (int up = 0; up < 4 && Path.GetDirectoryName(place) is { } parent; up++, place = parent)
            if (File.Exists(Path.Combine(place, "Samples.csproj")))
                return "dotnet run --project src/Samples --";
        return "lorainit";
    }
}
