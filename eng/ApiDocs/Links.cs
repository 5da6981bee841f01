using System.Reflection;

namespace Microsoft.ML.LoraInit.ApiDocs;

/// <summary>Where a type or member is described.</summary>
internal sealed class Links
{
    private readonly Dictionary<string, string> _targets = new(StringComparer.Ordinal);

    public Links(IEnumerable<Type> types)
    {
        foreach (var type in types)
        {
            _targets[DocId.Of(type)] = ApiReference.FileName(type);
            foreach (var member in TypePage.MembersOf(type))
                _targets[DocId.Of(member)] = $"{ApiReference.FileName(type)}#{Anchor(member)}";
        }
    }

    /// <summary>The page and place of what a comment refers to, or null for what is described elsewhere.</summary>
    public string? Find(string id) => _targets.GetValueOrDefault(id);

    /// <summary>An anchor on the page of the declaring type; overloads share one.</summary>
    public static string Anchor(MemberInfo member) => member is ConstructorInfo ? "ctor" : member.Name.ToLowerInvariant();

    /// <summary>A readable name for an id: its last part, without parameters.</summary>
    public static string ShortName(string id)
    {
        var name = id[(id.IndexOf(':', StringComparison.Ordinal) + 1)..].Split('(')[0].Split('~')[0];
        var isMember = id[0] is not ('T' or 'N');
        var parts = name.Split('.');
        var shown = isMember && parts.Length > 1 ? (parts[^1] == "#ctor" ? parts[^2] : $"{parts[^2]}.{parts[^1]}") : id[0] == 'N' ? name : parts[^1];
        return shown.Split('`')[0];
    }
}
