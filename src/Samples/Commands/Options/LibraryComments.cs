using System.Text.RegularExpressions;
using System.Xml.Linq;

namespace Microsoft.ML.LoraInit.Samples.Commands.Options;

/// <summary>What the library's comments say of its members: the file lies beside the library, in builds and in the tool's package.</summary>
internal static partial class LibraryComments
{
    private static readonly Lazy<Dictionary<string, string>> Summaries = new(Read);

    /// <summary>A property's summary as one line, or null where the file is not there.</summary>
    public static string? Of(System.Reflection.PropertyInfo property) =>
        Summaries.Value.GetValueOrDefault($"P:{property.DeclaringType!.FullName!.Replace('+', '.')}.{property.Name}");

    private static Dictionary<string, string> Read()
    {
        // No file beside it: one bundled into a single program has no place.
        var location = typeof(LoraTrainerOptions).Assembly.Location;
        var path = location.Length == 0 ? "" : Path.ChangeExtension(location, ".xml");
        if (!File.Exists(path))
            return [];
        return XDocument.Load(path).Descendants("member")
            .Where(m => m.Element("summary") is not null)
            .ToDictionary(m => m.Attribute("name")!.Value, m => Text(m.Element("summary")!));
    }

    private static string Text(XElement summary)
    {
        foreach (var reference in summary.Descendants().Where(e => e.Name.LocalName is "see" or "paramref").ToArray())
            reference.ReplaceWith((reference.Attribute("cref") ?? reference.Attribute("name") ?? reference.Attribute("langword"))?.Value.Split('.', ':')[^1] ?? "");
        return Blanks().Replace(summary.Value, " ").Trim();
    }

    [GeneratedRegex(@"\s+")]
    private static partial Regex Blanks();
}
