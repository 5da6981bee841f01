using System.Reflection;

namespace Microsoft.ML.LoraInit.Tests.MLNet;

/// <summary>Guards the internals of ML.NET that src/Microsoft.ML.LoraInit/MLNet relies on.</summary>
[TestClass]
public class InternalMembersTests
{
    private const BindingFlags Any = BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance | BindingFlags.Static | BindingFlags.DeclaredOnly;

    public static IEnumerable<object[]> Members
    {
        get
        {
            using var reader = new StreamReader(typeof(InternalMembersTests).Assembly.GetManifestResourceStream("InternalMembers.txt")!);
            string assembly = "";
            while (reader.ReadLine() is { } line)
                if (line.StartsWith('['))
                    assembly = line.Trim('[', ']');
                else if (line.Length > 0 && line[0] != '#')
                    yield return [assembly, line];
        }
    }

    [TestMethod]
    [DynamicData(nameof(Members))]
    public void ExistsInTheLoadedVersion(string assembly, string member)
    {
        var loaded = Assembly.Load(assembly);
        Assert.IsTrue(Find(loaded, member),
            $"{assembly} {loaded.GetName().Version} ({loaded.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion}) lacks {member}: "
            + "adapt the wrapper in src/Microsoft.ML.LoraInit/MLNet that uses it, and InternalMembers.txt.");
    }

    [TestMethod]
    public void TheListIsNotEmpty() => Assert.IsTrue(Members.Count() > 10);

    [TestMethod]
    [DataRow("T:Microsoft.ML.NoSuchType")]
    [DataRow("M:Microsoft.ML.ModelSaveContext.CheckAtModel(System.Int32)")]
    [DataRow("F:Microsoft.ML.ModelLoadContext.NoSuchField")]
    public void ACheckCanFail(string member) => Assert.IsFalse(Find(typeof(ITransformer).Assembly, member));

    [TestMethod]
    [DataRow(typeof(LoraTextTransformer))]
    [DataRow(typeof(OnnxTextTransformer))]
    public void OnlyTheListedAssembliesAreOpened(Type type)
    {
        var opened = type.Assembly.GetCustomAttributesData()
            .Where(a => a.AttributeType.Name == "IgnoresAccessChecksToAttribute")
            .Select(a => (string)a.ConstructorArguments[0].Value!);
        CollectionAssert.AreEquivalent(Members.Select(m => (string)m[0]).Distinct().ToArray(), opened.ToArray());
    }

    private static bool Find(Assembly assembly, string member)
    {
        var (kind, rest) = (member[0], member[2..]);
        if (kind == 'T')
            return assembly.GetType(rest) is not null;
        var parameters = rest.Contains('(', StringComparison.Ordinal) ? rest[(rest.IndexOf('(', StringComparison.Ordinal) + 1)..^1] : "";
        var path = rest.Split('(')[0];
        var type = assembly.GetType(path[..path.LastIndexOf('.')]);
        var name = path[(path.LastIndexOf('.') + 1)..];
        if (type is null)
            return false;
        return kind switch
        {
            'F' => type.GetField(name, Any) is not null,
            _ when name == "#ctor" => type.GetConstructors(Any).Any(c => Signature(c) == parameters),
            _ => type.GetMethods(Any).Any(m => m.Name == name && Signature(m) == parameters),
        };
    }

    private static string Signature(MethodBase method) => string.Join(',', method.GetParameters().Select(p => Name(p.ParameterType)));

    private static string Name(Type type) => type.IsGenericType
        ? $"{type.GetGenericTypeDefinition().FullName}[{string.Join(',', type.GetGenericArguments().Select(Name))}]"
        : type.FullName!;
}
