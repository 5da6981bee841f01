using System.Reflection;
using System.Xml.Linq;

namespace Microsoft.ML.LoraInit.ApiDocs;

/// <summary>The comments in the code, as the compiler writes them beside an assembly.</summary>
internal sealed class Comments
{
    private readonly Dictionary<string, XElement> _members;

    private Comments(Dictionary<string, XElement> members) => _members = members;

    /// <exception cref="FileNotFoundException">An assembly was built without its comments.</exception>
    public static Comments Of(IEnumerable<Assembly> assemblies)
    {
        var members = new Dictionary<string, XElement>(StringComparer.Ordinal);
        foreach (var assembly in assemblies)
        {
            var path = Path.ChangeExtension(assembly.Location, ".xml");
            if (!File.Exists(path))
                throw new FileNotFoundException($"'{path}' is missing: build {assembly.GetName().Name} with GenerateDocumentationFile.", path);
            foreach (var member in XDocument.Load(path, LoadOptions.PreserveWhitespace).Descendants("member"))
                members[member.Attribute("name")!.Value] = member;
        }
        return new(members);
    }

    /// <summary>A member's comment with what it inherits, or null where there is none.</summary>
    public XElement? Of(MemberInfo member) => Of(member, depth: 0);

    private XElement? Of(MemberInfo member, int depth)
    {
        _members.TryGetValue(DocId.Of(member), out var own);
        var inherit = own?.Element("inheritdoc");
        if (own is not null && inherit is null)
            return own;
        if (depth > 8 || Source(member, inherit, depth) is not { } source)
            return own;
        // What is said here counts; the rest is inherited.
        var whole = new XElement("member", own?.Elements().Where(e => e.Name != "inheritdoc"));
        foreach (var element in source.Elements())
        {
            var name = element.Attribute("name")?.Value;
            var there = whole.Elements(element.Name).Where(e => e.Attribute("name")?.Value == name);
            if (element.Name == "exception" || !there.Any())
                whole.Add(new XElement(element));
        }
        return whole;
    }

    private XElement? Source(MemberInfo member, XElement? inherit, int depth)
    {
        if (inherit?.Attribute("cref")?.Value is { } id)
            return _members.GetValueOrDefault(id) ?? _members.FirstOrDefault(m => m.Key.StartsWith(id + "(", StringComparison.Ordinal)).Value;
        if (Inherited(member) is { } parent)
            return Of(parent, depth + 1);
        return null;
    }

    private static MemberInfo? Inherited(MemberInfo member)
    {
        const BindingFlags All = BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance | BindingFlags.DeclaredOnly;
        if (member is Type type)
            return type.BaseType;
        for (var parent = member.DeclaringType!.BaseType; parent is not null; parent = parent.BaseType)
            if (Same(parent) is { } found)
                return found;
        return member.DeclaringType.GetInterfaces().Select(Same).FirstOrDefault(found => found is not null);

        MemberInfo? Same(Type parent) => parent.GetMember(member.Name, member.MemberType, All).FirstOrDefault(m => Shape(m) == Shape(member));

        static string Shape(MemberInfo m) => m is MethodBase method ? string.Join(',', method.GetParameters().Select(p => p.ParameterType.ToString())) : "";
    }
}
