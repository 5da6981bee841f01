using System.CommandLine;

namespace Microsoft.ML.LoraInit.Samples.Commands.Options;

/// <summary>Refuses command lines that would write over a file that they read, or write two things to one place.</summary>
internal static class PlaceCheck
{
    // Options whose value is a file, by what their help shows.
    private const string FileValue = "FILE";
    private static readonly string[] Written = ["--json", "--html", "--output", "--out"];
    // What these commands make.
    private static readonly string[] MakesModel = ["train", "import"];

    /// <exception cref="UsageException">A file that is written has the place of another.</exception>
    public static void Apply(ParseResult parsed)
    {
        var command = parsed.CommandResult.Command;
        var files = (from option in command.Options
                     where option.HelpName == FileValue && parsed.GetResult(option) is { Implicit: false }
                     from token in parsed.GetResult(option)!.Tokens
                     where token.Value.Length > 0 && token.Value != "-"
                     let place = Place(token.Value)
                     where !IsDevice(place)
                     select (Option: option.Name, Typed: token.Value, Place: place)).ToArray();
        var comparer = OperatingSystem.IsLinux() ? StringComparer.Ordinal : StringComparer.OrdinalIgnoreCase;
        foreach (var written in files.Where(f => Written.Contains(f.Option) || (f.Option == "--model" && MakesModel.Contains(command.Name))))
            // A report may be repeated into its own place.
            if (files.FirstOrDefault(f => f.Option != written.Option && comparer.Equals(f.Place, written.Place) && (f.Option, written.Option) != ("--config", "--json")) is { Option: { } other })
                throw new UsageException($"{other} and {written.Option} are both {written.Typed}: one would replace the other; give each a file of its own.");
    }

    // Links followed, as they are when the file is written.
    private static string Place(string path)
    {
        path = Path.GetFullPath(path);
        try
        {
            return File.ResolveLinkTarget(path, returnFinalTarget: true)?.FullName ?? path;
        }
        catch (IOException)
        {
            return path; // Nothing is there, or links that point at each other: whoever opens it says so.
        }
    }

    private static bool IsDevice(string place) => !OperatingSystem.IsWindows()
        && (place.StartsWith("/dev/", StringComparison.Ordinal) || place.StartsWith("/proc/", StringComparison.Ordinal));
}
