using System.Reflection;
using System.Runtime.CompilerServices;
using System.Text;
using System.Xml.Linq;

namespace Microsoft.ML.LoraInit.ApiDocs;

/// <summary>The page of a type: what it is, and each member that it declares.</summary>
internal sealed class TypePage(Type type, Comments comments, Links links)
{
    private const BindingFlags Declared = BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance | BindingFlags.Static | BindingFlags.DeclaredOnly;

    private readonly StringBuilder _text = new();

    /// <summary>What a user can see of what a type declares; what the compiler makes for a record is left out.</summary>
    public static IEnumerable<MemberInfo> MembersOf(Type type)
    {
        if (typeof(Delegate).IsAssignableFrom(type))
            return [];
        return type.GetMembers(Declared)
            .Where(m => m is not Type && !m.IsDefined(typeof(CompilerGeneratedAttribute)) && IsVisible(m) && !IsFormer(m))
            .OrderBy(Order).ThenBy(m => type.IsEnum ? "" : m.Name, StringComparer.Ordinal).ThenBy(m => type.IsEnum ? "" : DocId.Of(m), StringComparer.Ordinal);
    }

    /// <summary>Whether a name is kept for old code alone. Such names can differ from present ones in case alone, as file names may not.</summary>
    /// <remarks>The compiler marks constructors of types with required members as obsolete, for compilers that do not know those.</remarks>
    public static bool IsFormer(MemberInfo member) =>
        member.IsDefined(typeof(ObsoleteAttribute), inherit: false) && !member.IsDefined(typeof(CompilerFeatureRequiredAttribute), inherit: false);

    public string Text()
    {
        var comment = comments.Of(type);
        _text.Append($"# {MarkdownText.Escape(Signatures.Name(type))} {Signatures.Kind(type)}\n\n");
        _text.Append($"Namespace `{type.Namespace}`, package `{type.Assembly.GetName().Name}`. [All types]({ApiReference.IndexName}).\n\n");
        Describe(type, comment);
        string? section = null;
        string? anchor = null;
        foreach (var member in MembersOf(type))
        {
            if (Section(member) != section)
                _text.Append($"## {section = Section(member)}\n\n");
            if (Links.Anchor(member) != anchor)
                _text.Append($"<a id=\"{anchor = Links.Anchor(member)}\"></a>\n\n");
            _text.Append($"### {MarkdownText.Escape(member is ConstructorInfo ? Signatures.Name(type) : member.Name)}\n\n");
            // A record's property is described as the parameter that it comes from.
            Describe(member, comments.Of(member) ?? Parameter(comment, member.Name));
        }
        return _text.ToString().TrimEnd() + "\n";
    }

    private void Describe(MemberInfo member, XElement? comment)
    {
        Paragraph(comment?.Element("summary"));
        _text.Append($"```csharp\n{Signatures.Of(member)}\n```\n\n");
        Table("parameter", comment?.Elements("typeparam").Concat(comment.Elements("param")));
        if (comment?.Element("returns") is { } returns)
            _text.Append($"Returns: {MarkdownText.Line(returns, links)}\n\n");
        if (comment?.Element("value") is { } value)
            _text.Append($"Value: {MarkdownText.Line(value, links)}\n\n");
        Paragraph(comment?.Element("remarks"));
        Paragraph(comment?.Element("example"));
        foreach (var exception in comment?.Elements("exception") ?? [])
            _text.Append($"Throws `{Links.ShortName(exception.Attribute("cref")!.Value)}`: {MarkdownText.Line(exception, links)}\n\n");
    }

    private void Paragraph(XElement? element)
    {
        if (MarkdownText.Block(element, links) is { Length: > 0 } text)
            _text.Append(text).Append("\n\n");
    }

    private void Table(string head, IEnumerable<XElement>? rows)
    {
        if (rows?.ToList() is not { Count: > 0 } all)
            return;
        _text.Append($"| {head} | |\n|---|---|\n");
        foreach (var row in all)
            _text.Append($"| `{row.Attribute("name")!.Value}` | {MarkdownText.Line(row, links)} |\n");
        _text.Append('\n');
    }

    private static XElement? Parameter(XElement? comment, string name) =>
        comment?.Elements("param").FirstOrDefault(p => p.Attribute("name")?.Value == name) is { } parameter
            ? new XElement("member", new XElement("summary", parameter.Nodes()))
            : null;

    private static bool IsVisible(MemberInfo member) => member switch
    {
        FieldInfo field => field is { IsSpecialName: false } && (field.IsPublic || field.IsFamily || field.IsFamilyOrAssembly),
        ConstructorInfo constructor => IsVisible(constructor),
        MethodInfo method => IsVisible(method) && (!method.IsSpecialName || method.Name.StartsWith("op_", StringComparison.Ordinal)),
        PropertyInfo property => property.GetAccessors(nonPublic: true).Any(IsVisible) && property.Name != "EqualityContract",
        EventInfo raised => IsVisible(raised.AddMethod!),
        _ => false,
    };

    private static bool IsVisible(MethodBase method) => method.IsPublic || method.IsFamily || method.IsFamilyOrAssembly;

    private static int Order(MemberInfo member) => member switch
    {
        ConstructorInfo => 0,
        FieldInfo => 1,
        PropertyInfo => 2,
        MethodInfo => 3,
        _ => 4,
    };

    private static string Section(MemberInfo member) => member switch
    {
        ConstructorInfo => "Constructors",
        FieldInfo => member.DeclaringType!.IsEnum ? "Values" : "Fields",
        PropertyInfo => "Properties",
        MethodInfo => "Methods",
        _ => "Events",
    };
}
