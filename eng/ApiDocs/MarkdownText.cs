using System.Text;
using System.Text.RegularExpressions;
using System.Xml.Linq;

namespace Microsoft.ML.LoraInit.ApiDocs;

/// <summary>A comment's text as Markdown.</summary>
internal static partial class MarkdownText
{
    /// <summary>Paragraphs, lists and code.</summary>
    public static string Block(XElement? element, Links links)
    {
        if (element is null)
            return "";
        var text = new StringBuilder();
        Append(element, links, text);
        return BlankLines().Replace(text.ToString(), "\n\n").Trim();
    }

    /// <summary>All in one line, as a table's cell needs it.</summary>
    public static string Line(XElement? element, Links links) => Blank().Replace(Block(element, links), " ").Replace("|", "\\|", StringComparison.Ordinal);

    /// <summary>Text whose signs mean themselves.</summary>
    public static string Escape(string text) => Special().Replace(text, @"\$0");

    private static void Append(XElement element, Links links, StringBuilder text)
    {
        foreach (var node in element.Nodes())
        {
            if (node is XText plain)
                AppendText(Escape(Blank().Replace(plain.Value, " ")), text);
            else if (node is XElement inner)
                AppendElement(inner, links, text);
        }
    }

    private static void AppendText(string plain, StringBuilder text) =>
        text.Append(text.Length == 0 || text[^1] == '\n' ? plain.TrimStart() : plain);

    private static void AppendElement(XElement element, Links links, StringBuilder text)
    {
        switch (element.Name.LocalName)
        {
            case "c":
                text.Append(Code(Blank().Replace(element.Value, " ")));
                break;
            case "code":
                text.Append($"\n\n```csharp\n{Unindented(element.Value)}\n```\n\n");
                break;
            case "para":
                text.Append("\n\n");
                Append(element, links, text);
                text.Append("\n\n");
                break;
            case "list":
                text.Append("\n\n");
                var number = 0;
                foreach (var item in element.Elements("item"))
                    text.Append($"{(element.Attribute("type")?.Value == "number" ? $"{++number}." : "-")} {Item(item, links)}\n");
                text.Append("\n\n");
                break;
            case "see" or "seealso":
                text.Append(Reference(element, links));
                break;
            case "paramref" or "typeparamref":
                text.Append(Code(element.Attribute("name")!.Value));
                break;
            default:
                Append(element, links, text);
                break;
        }
    }

    private static string Item(XElement item, Links links)
    {
        var term = Line(item.Element("term"), links);
        var description = item.Element("description") is { } inner ? Line(inner, links) : term.Length > 0 ? "" : Line(item, links);
        return term.Length > 0 && description.Length > 0 ? $"{term}: {description}" : term + description;
    }

    private static string Reference(XElement see, Links links)
    {
        if (see.Attribute("langword")?.Value is { } word)
            return Code(word);
        if (see.Attribute("href")?.Value is { } address)
            return $"[{(see.Value.Length > 0 ? Escape(see.Value) : address)}]({address})";
        if (see.Attribute("cref")?.Value is not { } id)
            return Escape(see.Value);
        var shown = Code(see.Value.Length > 0 ? see.Value : Links.ShortName(id));
        return links.Find(id) is { } target ? $"[{shown}]({target})" : shown;
    }

    private static string Code(string text) => text.Contains('`', StringComparison.Ordinal) ? $"`` {text} ``" : $"`{text}`";

    private static string Unindented(string code)
    {
        var lines = code.Trim('\n', '\r').TrimEnd().Split('\n');
        var indent = lines.Where(l => l.Trim().Length > 0).Select(l => l.Length - l.TrimStart().Length).DefaultIfEmpty(0).Min();
        return string.Join('\n', lines.Select(l => l.Length >= indent ? l[indent..].TrimEnd() : ""));
    }

    [GeneratedRegex(@"[\\`*_\[\]<>|]")]
    private static partial Regex Special();

    [GeneratedRegex(@"\s+")]
    private static partial Regex Blank();

    [GeneratedRegex(@" *\n{3,}| +\n\n")]
    private static partial Regex BlankLines();
}
